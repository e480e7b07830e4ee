import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type NEXT, nextSteps } from '../../src/console/pages/deliveries/next-steps.ts'
import type { Situation } from '../../src/sale/delivery-sentence.ts'
import { type DeliveryState, REASON_CODES, REASONS, STEPS, type Step } from '../../src/sale/types.ts'

type Of = Parameters<typeof nextSteps>[0]
/** A delivery for which every step is possible. */
const all: Of = {
  state: 'enrolled',
  situation: 'enrolled',
  reason: null,
  isReplaced: false,
  isStillIn: false,
  canWithdraw: true,
  canTellShop: true,
  replies: ['replyToBuyer', 'replyToShop'],
}
const STATES: Readonly<Record<keyof typeof NEXT, DeliveryState>> = {
  queued: 'queued',
  not_registered: 'pre_enrolled',
  not_activated: 'pre_enrolled',
  enrolled: 'enrolled',
  partly_enrolled: 'enrolled',
  lost: 'enrolled',
  handled: 'handled',
  withdrawn: 'withdrawn',
}
const cases: Of[] = [
  ...Object.entries(STATES).map(([situation, state]) => ({ ...all, situation: situation as Situation, state })),
  ...REASON_CODES.map((reason) => ({ ...all, reason, ...stateOf(REASONS[reason].state) })),
]
function stateOf(state: 'rejected' | 'needs_attention'): Pick<Of, 'state' | 'situation'> {
  return { state, situation: state }
}

describe('the next step', () => {
  const expected: readonly [of: Partial<Of>, first: Step | null, second: Step | null][] = [
    [{ situation: 'enrolled' }, null, 'replyToBuyer'],
    [{ situation: 'partly_enrolled' }, null, 'replyToBuyer'],
    [{ situation: 'lost' }, null, 'replay'],
    [{ situation: 'lost', reason: 'person.retired' }, 'replyToBuyer', 'correct'],
    [{ situation: 'not_registered', state: 'pre_enrolled' }, 'replyToBuyer', 'correct'],
    [{ situation: 'not_activated', state: 'pre_enrolled' }, 'replyToBuyer', 'correct'],
    [{ situation: 'queued', state: 'queued' }, 'replyToBuyer', null],
    [{ situation: 'handled', state: 'handled' }, null, 'replay'],
    [{ situation: 'withdrawn', state: 'withdrawn' }, null, 'replyToBuyer'],
    [{ ...stateOf('needs_attention'), reason: 'course.missing' }, 'correct', 'replay'],
    [{ ...stateOf('needs_attention'), reason: 'person.retired' }, 'replyToBuyer', 'correct'],
    [{ ...stateOf('needs_attention'), reason: 'lms.refused' }, 'replay', 'replyToBuyer'],
    [{ ...stateOf('rejected'), reason: 'payload.invalid' }, 'correct', 'replyToShop'],
  ]
  test('after a withdrawal that failed is none, and beside it the withdrawal', () => {
    const { first, second } = nextSteps({ ...all, isStillIn: true })
    assert.deepEqual([first, second], [null, 'withdraw'])
  })
  for (const [of, first, second] of expected) {
    test(`of ${of.reason ?? of.situation} is ${first ?? 'none'}, and beside it ${second ?? 'none'}`, () => {
      const steps = nextSteps({ ...all, ...of })
      assert.deepEqual([steps.first, steps.second], [first, second])
    })
  }

  test('is never a replay of what a person has ended, and never takes anything away', () => {
    for (const one of cases) {
      const { first } = nextSteps(one)
      assert.notEqual(first, 'withdraw', one.situation)
      if (one.state === 'handled' || one.state === 'withdrawn') assert.equal(first, null, one.situation)
    }
  })

  test('leaves out nothing that is possible, offers nothing twice, and puts the withdrawal last', () => {
    for (const one of cases) {
      const { first, second, more } = nextSteps(one)
      const offered = [first, second, ...more].filter((step) => step !== null)
      assert.equal(new Set(offered).size, offered.length)
      const missing = STEPS.filter((step) => !offered.includes(step))
      for (const step of missing) {
        const impossible =
          (step === 'replay' && one.state === 'rejected') || (step === 'handled' && one.state === 'handled')
        assert.ok(impossible, `${step} of ${one.reason ?? one.situation}`)
      }
      assert.equal(more.at(-1), 'withdraw')
    }
  })

  test('is no step that is not possible', () => {
    const steps = nextSteps({
      ...all,
      situation: 'not_registered',
      state: 'pre_enrolled',
      replies: [],
      canWithdraw: false,
    })
    assert.deepEqual(steps, { first: null, second: 'correct', more: ['replay', 'sendAgain', 'handled'] })
    assert.ok(!nextSteps({ ...all, state: 'handled', situation: 'handled', isReplaced: true }).more.includes('correct'))
  })
})
