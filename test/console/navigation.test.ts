import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthHtml } from '../../src/console-layout/health-line.ts'
import { navigationHtml } from '../../src/console-layout/navigation.ts'

const none = { count: 0, more: false }
const session = { username: 'ada', csrf: 'csrf', confirmed: true }

test('a count of the menu or the health line that stopped at its limit says that there are more', () => {
  const capped = { count: 10_000, more: true }
  const counts = { queued: capped, pre_enrolled: { count: 41, more: false }, needs_attention: capped }
  const menu = navigationHtml({ base: '/c', session, current: '/', counts, csrf: '' })
  assert.match(menu, /Needs attention <span class="count bad">more than 10,000<\/span>/)
  assert.match(menu, /Pre-enrolled <span class="count ">41<\/span>/)
  assert.match(healthHtml({ counts, breaker: null, budget: null }, '/c'), />more than 10,000 queued</)
})

test('a state without deliveries, or whose count can’t be read, has no number in the menu', () => {
  const counts = { queued: none, pre_enrolled: none, needs_attention: none }
  for (const given of [counts, null]) {
    assert.doesNotMatch(navigationHtml({ base: '/c', session, current: '/', counts: given, csrf: '' }), /class="count/)
  }
})
