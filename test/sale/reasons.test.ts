import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shopView } from '../../src/queue/outbox/outbox.ts'
import { reasonColumns } from '../../src/queue/rows.ts'
import { REASON_CODES, REASONS } from '../../src/sale/types.ts'
import { reasonOfMany, reasonText } from '../../src/sale/words.ts'
import { answer } from '../../src/shop/webhook/route.ts'

const KEY = 'course-v1:edX+Demo+2026'

/** What the sender, the shop and operators read about a delivery with this reason. */
function textsOf(code: (typeof REASON_CODES)[number], subject: string): string[] {
  const reason = { code, subject }
  const { state } = REASONS[code]
  const stored = { state, received_at: 0, ...reasonColumns(reason), lines: [] }
  const row = {
    id: 'ID',
    webhook_id: null,
    source: 'shop',
    replaces: null,
    replaced_by: null,
    ended_at: null,
    kept: [],
    ...stored,
  } as const
  return [
    JSON.stringify(Reflect.get(answer({ state, dueAt: null, reason, generation: 0 }, 1).body ?? {}, 'message')),
    shopView(row).reason?.message ?? '',
    reasonText(reason),
    reasonOfMany(code, ''),
    reasonOfMany(code, KEY),
  ]
}

test('no text about a reason is empty, or has a place that nothing fills', () => {
  for (const code of REASON_CODES) {
    const subject = REASONS[code].subject === 'field_errors' ? '["wrong"]' : KEY
    for (const text of textsOf(code, subject)) assert.match(text, /^[^{}]+$/, code)
  }
})

test('a text about many deliveries names a course exactly where that is the subject of the reason', () => {
  const naming = REASON_CODES.filter((code) => reasonOfMany(code, KEY).includes(KEY))
  assert.deepEqual(
    naming,
    REASON_CODES.filter((code) => REASONS[code].subject === 'course_key'),
  )
})

test('a reason whose subject is unknown reads as a whole sentence', () => {
  const reason = { code: 'lms.refused', subject: '' } as const
  assert.equal(reasonText(reason), 'the LMS refused the enrollment')
})
