import assert from 'node:assert/strict'
import { test } from 'node:test'
import { causesHtml } from '../../src/console/causes-table.ts'
import type { Cause } from '../../src/reports/causes.ts'

const cause: Cause = {
  state: 'needs_attention',
  code: 'course.missing',
  course: 'course-v1:edX+DemoX+Missing',
  count: 990,
  firstAt: 0,
  lastAt: 0,
  examples: [],
}
const html = (isCut: boolean): string =>
  causesHtml({
    found: { causes: [cause], isCut },
    count: { count: 1200, more: false },
    closest: new Map(),
    base: '',
  })

test('a cause has its number of deliveries, and “or more” if not all deliveries were grouped', () => {
  assert.match(html(false), />Replay 990</)
  assert.match(html(true), />Replay 990 or more</)
  assert.match(html(true), /1,200 deliveries need attention/)
})
