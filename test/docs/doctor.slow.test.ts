import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withDoctorTable } from '../../scripts/doctor-docs.ts'
import { CHECKS } from '../../src/doctor/examine.ts'
import { firstCodes, readDocument, section } from './documents.ts'

const guide = readDocument('docs/reference/doctor.md')

test('the guide has the generated table of checks', () => {
  const remedy = 'docs/reference/doctor.md is not what src/doctor/checks declares: run npm run docs'
  assert.equal(guide, withDoctorTable(guide), remedy)
})

test('every check is in the guide, and the guide names no other', () => {
  const named = firstCodes(section(guide, '## The checks'))
  assert.deepEqual(
    named,
    CHECKS.map(({ id }) => id),
  )
})
