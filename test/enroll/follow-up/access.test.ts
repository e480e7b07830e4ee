import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockedBy } from '../../../src/enroll/follow-up/access.ts'
import type { CourseWithdrawal, Line, LineWithdrawal } from '../../../src/sale/line.ts'
import { DEMO } from '../../harness.ts'
import { linesOf } from '../../lines.ts'

/** An order for a line. `kind`: what came of it. */
function order(of: { isOpen: boolean; called?: boolean; kind?: CourseWithdrawal['kind'] }): LineWithdrawal {
  const { isOpen, called = false, kind } = of
  const result = kind === undefined ? null : { kind, mode: null, why: '' }
  const by = {
    id: 'w',
    paid: false,
    hadBefore: false,
    by: 'ada',
    isRefund: false,
    requestedAt: 0,
    attempts: 0,
    message: '',
  }
  return { ...by, called, dueAt: isOpen ? 0 : null, endedAt: isOpen ? null : 0, result }
}

const lineWith = (withdrawal: LineWithdrawal | null): readonly Line[] =>
  linesOf([DEMO], { courses: { [DEMO]: 'enrolled' } }).map((line) => ({ ...line, withdrawal }))

/** Whether the course of a sale may neither end nor come back, by the orders for its own line and for those of others. */
function isBlocked(
  what: 'ended' | 'restored',
  of: { own?: LineWithdrawal; others?: LineWithdrawal; unknown?: number; mayLand?: boolean } = {},
): boolean {
  const { own = null, others = null, unknown = 0, mayLand = false } = of
  const row = { lines: lineWith(own), email: 'ada@x.example', effect_unknown: unknown }
  const changes = { ended: [], restored: [], [what]: [DEMO] }
  return blockedBy({ lines: [...row.lines, ...lineWith(others)], mayLand }, { row, ...changes }).has(DEMO)
}

test('a course has not ended where an order for the sale may have taken the buyer out', () => {
  for (const [what, own, explains] of [
    ['an order that is open', order({ isOpen: true }), true],
    ['one that failed after its call', order({ isOpen: false, called: true }), true],
    ['one that failed before its call', order({ isOpen: false }), false],
    ['one that left them in', order({ isOpen: false, called: true, kind: 'kept' }), false],
  ] as const)
    assert.equal(isBlocked('ended', { own }), explains, what)
})

test('an order for another sale explains a lost course only while it is open, because it leaves what this one keeps', () => {
  assert.equal(isBlocked('ended', { others: order({ isOpen: true }) }), true)
  assert.equal(isBlocked('ended', { others: order({ isOpen: false, called: true, kind: 'unenrolled' }) }), false)
})

test('nothing ends or comes back while a call of the sale, or of another one to the buyer, may still be carried out', () => {
  for (const what of ['ended', 'restored'] as const) {
    assert.equal(isBlocked(what), false)
    assert.equal(isBlocked(what, { unknown: 1 }), true)
    assert.equal(isBlocked(what, { mayLand: true }), true)
    assert.equal(isBlocked(what, { others: order({ isOpen: true }) }), true)
  }
})
