import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withDoctorTables } from '../../scripts/doctor-docs.ts'
import { CAUSES } from '../../src/doctor/causes.ts'
import { CHECKS } from '../../src/doctor/examine.ts'
import { codes, readDocument, section, tables } from './documents.ts'

const guide = readDocument('docs/reference/doctor.md')
const REMEDY = 'it is not what src/doctor/checks declares: run npm run docs'

/** What the tables under a heading have in backquotes. */
const named = (heading: string): string[] =>
  tables(section(guide, heading))
    .flat(2)
    .flatMap((cell) => codes(cell))

test('the guide has the generated tables of checks and causes', () => {
  assert.equal(guide, withDoctorTables(guide), `docs/reference/doctor.md: ${REMEDY}`)
})

test('every check and every cause is in the guide, and the guide names no other', () => {
  assert.deepEqual(
    named('## The checks'),
    CHECKS.map(({ id }) => id),
  )
  assert.deepEqual(named('## The causes').sort(), Object.keys(CAUSES).sort())
})
