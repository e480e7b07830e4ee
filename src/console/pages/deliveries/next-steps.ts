import type { Situation } from '../../../sale/delivery-sentence.ts'
import { type DeliveryState, isStopped, REASONS, type ReasonCode, STEPS, type Step } from '../../../sale/types.ts'

/** Which of the steps comes first, and which stands beside it. `null`: none. */
type Next = readonly [first: Step | null, second: Step | null]

/**
 * What helps most likely, by what is true of a delivery. Where a person has ended it, or nothing is left to do, no step is
 * first. A delivery with a reason has its steps in reasons.json.
 */
export const NEXT: Readonly<Record<Exclude<Situation, 'needs_attention' | 'rejected'>, Next>> = {
  queued: ['replyToBuyer', null],
  not_registered: ['replyToBuyer', 'correct'],
  not_activated: ['replyToBuyer', 'correct'],
  enrolled: [null, 'replyToBuyer'],
  partly_enrolled: [null, 'replyToBuyer'],
  lost: [null, 'replay'],
  handled: [null, 'replay'],
  withdrawn: [null, 'replyToBuyer'],
}

interface Decided {
  readonly state: DeliveryState
  readonly situation: Situation
  /** Why it failed, or why the LMS enrolls the address no more. */
  readonly reason: ReasonCode | null
  readonly isReplaced: boolean
  /** Whether a withdrawal has left the buyer in a course, or failed. */
  readonly isStillIn: boolean
  readonly canWithdraw: boolean
  /** Whether the shop gets an event about its state. */
  readonly canTellShop: boolean
  /** To whom there is something to write. */
  readonly replies: readonly Step[]
}

/** Chooses what the page of a delivery offers an operator. A step that is not possible is left out. */
export function nextSteps(of: Decided) {
  const possible = STEPS.filter((step) => isPossible(step, of))
  const [first = null, second = null] = wanted(of).map((step) => possible.find((one) => one === step))
  return { first, second, more: possible.filter((step) => step !== first && step !== second) }
}

function wanted({ situation, reason, isStillIn }: Decided): Next {
  if (isStillIn) return [null, 'withdraw']
  if (situation === 'lost' && reason !== null) return REASONS[reason].steps
  if (situation !== 'needs_attention' && situation !== 'rejected') return NEXT[situation]
  return reason === null ? ['replay', null] : REASONS[reason].steps
}

function isPossible(step: Step, of: Decided): boolean {
  const { state, reason, isReplaced, canWithdraw, canTellShop, replies } = of
  switch (step) {
    case 'replyToBuyer':
    case 'replyToShop':
      return replies.includes(step)
    case 'replay':
      return reason === null || REASONS[reason].state !== 'rejected'
    case 'correct':
      return !isReplaced || !isStopped(state)
    case 'sendAgain':
      return canTellShop
    case 'handled':
      return state !== 'handled' || !isReplaced
    case 'withdraw':
      return canWithdraw
  }
}
