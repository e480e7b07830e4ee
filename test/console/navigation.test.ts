import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthHtml, navigationHtml } from '../../src/console/layout/status.ts'
import { CLOSED } from '../../src/enroll/breakers/breaker-state.ts'

const session = { username: 'ada', csrf: 'csrf', confirmed: true }

test('the menu and the health line have exact numbers', () => {
  const counts = { queued: 11_500, pre_enrolled: 41, needs_attention: 1_234_567, rejected: 3, refused: 9, events: '53' }
  const menu = navigationHtml({ session, current: '/', counts })
  assert.match(menu, /Needs attention <span class="count bad">1,234,567<\/span>/)
  assert.match(menu, /Waiting for buyers <span class="count ">41<\/span>/)
  assert.match(menu, />Refused <span class="count bad">9<\/span>/)
  assert.match(menu, />Events to the shop <span class="count bad">53<\/span>/)
  assert.match(healthHtml({ status: { counts, breaker: CLOSED, budget: 1 }, current: '/' }), />11,500 queued</)
})

test('a state without deliveries, or whose count can’t be read, has no number in the menu', () => {
  const counts = { queued: 0, pre_enrolled: 0, needs_attention: 0, rejected: 0, refused: 0, events: '0' }
  for (const given of [counts, null]) {
    assert.doesNotMatch(navigationHtml({ session, current: '/', counts: given }), /class="count/)
  }
})
