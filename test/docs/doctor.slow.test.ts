import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withDoctorTables } from '../../scripts/doctor-docs.ts'
import { CAUSES } from '../../src/doctor/check.ts'
import { CHECKS } from '../../src/doctor/examine.ts'
import { codes, readDocument, section, tables } from './documents.ts'

const guide = readDocument('docs/reference/doctor.md')
const REMEDY = 'it is not what src/doctor/checks declares: run npm run docs'

const firstCells = (heading: string): string[] =>
  tables(section(guide, heading))
    .flat()
    .flatMap(([cell = '']) => codes(cell))

test('the guide has the generated tables of checks and causes', () => {
  assert.equal(guide, withDoctorTables(guide), `docs/reference/doctor.md: ${REMEDY}`)
})

test('every check and every cause is in the guide, and the guide names no other', () => {
  assert.deepEqual(
    firstCells('## The checks'),
    CHECKS.map(({ id }) => id),
  )
  assert.deepEqual(firstCells('## The causes').sort(), Object.keys(CAUSES).sort())
})
