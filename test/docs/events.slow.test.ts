import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COURSE_CHANGED, SHOP_EVENT_TYPES } from '../../src/queue/outbox/outbox.ts'
import { RETRY_SCHEDULE_MS } from '../../src/queue/retry-schedule.ts'
import { checkOf, DESCRIBED } from '../openapi/described.ts'
import { codeBlocks, codes, firstCodes, readDocument, section, tables } from './documents.ts'

const page = readDocument('docs/reference/events.md')
const fields = section(page, '## Fields')

test('the page has the types of events', () => {
  const types = [...new Set(Object.values(SHOP_EVENT_TYPES)), COURSE_CHANGED]
  assert.deepEqual(firstCodes(section(page, '## Types')), types)
})

test('the example of an event is as described, and the table has each field but the type', () => {
  const example = JSON.parse(codeBlocks(fields, 'json')[0] ?? '')
  assert.deepEqual(checkOf(DESCRIBED.components.schemas.Event).safeParse(example).error, undefined)
  const { type: _, data, ...rest } = example
  const named = tables(fields).flatMap((rows) => rows.flatMap(([cell = '']) => codes(cell)))
  assert.deepEqual(named, [
    ...Object.keys(rest),
    ...Object.keys(data).map((key) => `data.${key}`),
    'data.secondsSinceSale',
  ])
})

test('the example of an event about a course is as described, and the table has each of its own fields', () => {
  const course = section(page, '## Events about courses')
  const example = JSON.parse(codeBlocks(course, 'json')[0] ?? '')
  assert.deepEqual(checkOf(DESCRIBED.components.schemas.CourseEvent).safeParse(example).error, undefined)
  const named = tables(course).flatMap((rows) => rows.flatMap(([cell = '']) => codes(cell)))
  assert.deepEqual(named, ['sequence', ...Object.keys(example.data).map((key) => `data.${key}`)])
})

test('the example of an event about a learner is as described, and the table has each field of its own', () => {
  const learners = section(page, '## Events about learners')
  const example = JSON.parse(codeBlocks(learners, 'json')[0] ?? '')
  assert.deepEqual(checkOf(DESCRIBED.components.schemas.LearnerEvent).safeParse(example).error, undefined)
  const { id: _id, webhookId: _webhookId, test: _test, certificate, ...own } = example.data
  const named = tables(learners).flatMap((rows) => rows.flatMap(([cell = '']) => codes(cell)))
  const fields = [...Object.keys(own), 'certificate', ...Object.keys(certificate).map((key) => `certificate.${key}`)]
  assert.deepEqual(
    named,
    fields.map((key) => `data.${key}`),
  )
})

test('the number of attempts is as stated', () => {
  assert.ok(page.includes(`the ${RETRY_SCHEDULE_MS.length + 1}th attempt`))
})
