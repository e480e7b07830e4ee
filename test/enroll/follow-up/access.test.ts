import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockedBy } from '../../../src/enroll/follow-up/access.ts'
import type { CourseWithdrawal, LineWithdrawal } from '../../../src/sale/line.ts'
import { DEMO } from '../../harness.ts'
import { linesOf } from '../../lines.ts'

const [ENROLLED_AT, ENDED_AT] = [50, 100]

type Sale = Parameters<typeof blockedBy>[0]['sales'][number]
type Of = Partial<Sale> & { result?: 'enrolled' | null; endedAt?: number; withdrawal?: LineWithdrawal }

/** The second of three sales, done and with the course, but for what is given. */
function sale({ result = 'enrolled', endedAt, withdrawal, ...of }: Of = {}): Sale {
  const times = { checkedAt: ENDED_AT, since: ENDED_AT, ...(endedAt === undefined ? {} : { endedAt }) }
  const standings = { [DEMO]: { standing: 'unenrolled', mode: 'audit', ...times } } as const
  const [line] = linesOf([DEMO], { courses: result === null ? {} : { [DEMO]: result }, standings })
  const lines = line === undefined ? [] : [{ ...line, withdrawal: withdrawal ?? null }]
  return { id: '2', state: 'enrolled', replaced_by: null, settled_at: ENROLLED_AT, lines, ...of }
}

/** Whether the course may neither end nor come back for the second sale. */
function isBlocked(of: 'ended' | 'restored', others: readonly Of[], { unknown = 0, mayLand = false } = {}): boolean {
  const mine = sale(of === 'restored' ? { endedAt: ENDED_AT } : {})
  const row = { ...mine, email: 'ada@x.example', effect_unknown: unknown }
  const found = { ended: [], restored: [], [of]: [DEMO] }
  return blockedBy({ sales: [mine, ...others.map(sale)], mayLand }, { row, ...found }).has(DEMO)
}

const order = (endedAt: number | null, kind?: CourseWithdrawal['kind']): LineWithdrawal => {
  const result = kind === undefined ? null : { kind, mode: null, why: '' }
  const by = {
    id: 'w',
    paid: false,
    hadBefore: false,
    by: 'ada',
    isRefund: false,
    requestedAt: 0,
    attempts: 0,
    called: false,
    message: '',
  }
  return { ...by, dueAt: endedAt === null ? 0 : null, endedAt, result }
}

test('a course has not ended where a withdrawal took the buyer out after the sale enrolled them, or may have', () => {
  for (const [what, withdrawal, explains] of [
    ['one that took them out', order(ENROLLED_AT, 'unenrolled'), true],
    ['one that failed', order(ENROLLED_AT), true],
    ['one that is open', order(null), true],
    ['one that ended before', order(ENROLLED_AT - 1, 'unenrolled'), false],
    ['one that left them in', order(ENROLLED_AT, 'kept'), false],
    ['one that found them out', order(ENROLLED_AT, 'nothing'), false],
  ] as const)
    assert.equal(isBlocked('ended', [{ id: '1', withdrawal }]), explains, what)
})

test('a course has not come back where another sale enrolled the buyer since it ended, or may have', () => {
  for (const [what, other, explains] of [
    ['a newer sale', { id: '3' }, true],
    ['a newer sale whose attempt is in progress', { id: '3', state: 'queued', settled_at: null, result: null }, true],
    ['an older sale that is attempted again', { id: '1', state: 'queued', settled_at: null, result: null }, true],
    ['an older sale that was attempted since', { id: '1', settled_at: ENDED_AT }, true],
    ['an older sale', { id: '1' }, false],
    ['a newer sale that has lost it, too', { id: '3', endedAt: ENDED_AT }, false],
    ['a newer sale that never got it', { id: '3', state: 'needs_attention', result: null }, false],
    ['a newer sale that was handled', { id: '3', state: 'handled' }, false],
    ['a newer sale that a refund stops', { id: '3', state: 'queued', result: null, withdrawal: order(null) }, false],
  ] as const)
    assert.equal(isBlocked('restored', [other]), explains, what)
})

test('nothing ends or comes back while a call of the sale, or of another one to the buyer, may still be carried out', () => {
  for (const what of ['ended', 'restored'] as const) {
    assert.equal(isBlocked(what, []), false)
    assert.equal(isBlocked(what, [], { unknown: 1 }), true)
    assert.equal(isBlocked(what, [], { mayLand: true }), true)
  }
})
