import assert from 'node:assert/strict'
import { test } from 'node:test'
import { causesHtml } from '../../src/console/pages/overview/causes.ts'
import type { MarkedCause } from '../../src/operators/reports/cause-marks.ts'
import { CAUSES_MAX } from '../../src/operators/reports/overview.ts'
import { operator, startWithConsole } from './harness.ts'

const cause: MarkedCause = {
  state: 'needs_attention',
  code: 'course.missing',
  course: 'course-v1:edX+DemoX+Missing',
  count: 990,
  firstAt: 0,
  mark: null,
  cameBack: false,
  lastAt: 0,
  latest: 'ID',
}

const box = (causes: readonly MarkedCause[], count: number): string =>
  causesHtml({ causes, count, closestCourse: () => null, courseName: () => null, asked: { from: '', to: '' } })

test('a cause has its number of deliveries, and the box the number of all; a cause of one delivery leads to it', () => {
  assert.match(box([cause], 1200), />Replay 990…</)
  assert.match(box([cause], 1200), /1,200 deliveries need attention/)
  assert.match(box([{ ...cause, count: 1 }], 1), /href="~\/deliveries\/ID"/)
})

test('a key that looks like none can be corrected to any course, as in the list of its sales', () => {
  const address =
    'state&#61;needs_attention&#38;cause&#61;course\\.missing&#38;about&#61;course-v1%3AedX%2BDemoX%2BMissing'
  assert.match(box([cause], 1), new RegExp(`second" href="~/correct\\?${address}">Correct…<`))
})

test('where more causes may exist than are read, the box says so', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => ({ ...cause, course: `course-v1:a+${n}+c` }))
  assert.match(box(many(CAUSES_MAX - 1), 1200), / from 199 causes\./)
  assert.match(box(many(CAUSES_MAX), 1200), / from 200\+ causes\./)
})

test('rejected sales are causes too: their buyers have paid', () => {
  const html = box([cause, { ...cause, state: 'rejected', code: 'payload.invalid', course: null, count: 9 }], 999)
  assert.match(html, /999 sales are paid for, but not enrolled as sold, from 2 causes/)
  assert.match(html, /state&#61;rejected&#38;cause&#61;payload\.invalid">Rejected: Invalid fields/)
  assert.match(html, /Correct the address or the course keys, or have the shop send the sales corrected\./)
  assert.doesNotMatch(html, />Replay 9…</, 'a replay can’t help')
})

test('where a period without a failure is chosen, the tile says that it counts this period, and the box has all days', async (t) => {
  const product = await startWithConsole()
  t.after(() => product.stop())
  await product.sell({ email: 'alice@example.com', courseIds: ['course-v1:No+Such+Course'] })
  const text = await (await operator(product)).read('/?from=2020-01-01&to=2020-01-31')
  assert.match(text, /What needs you One delivery needs attention\. /)
  assert.match(text, / Need attention 0 none in this period /)
})

test('who marks a cause returns to the period of the overview that they looked at', async (t) => {
  const product = await startWithConsole()
  t.after(() => product.stop())
  await product.sell({ email: 'alice@example.com', courseIds: ['course-v1:No+Such+Course'] })
  const someone = await operator(product)
  for (const period of ['', '?from=2026-01-01&to=2036-01-01']) {
    const { text } = await someone.see(`/${period}`)
    assert.ok(
      text.includes(
        `action="/lernito/console/causes${period}"`.replaceAll('=2', '&#61;2').replaceAll('&to', '&#38;to'),
      ),
    )
    const form = { code: 'course.missing', course: 'course-v1:No+Such+Course', kind: 'cause_acknowledged' }
    assert.ok((await someone.send(`/causes${period}`, form)).location.endsWith(`/lernito/console/${period}`))
  }
})
