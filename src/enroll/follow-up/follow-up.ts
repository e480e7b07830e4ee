import { SEARCH_ADDRESSES } from '../../lms/apis/accounts.ts'
import { type Budget, createTurns } from '../../lms/client/budget.ts'
import type { Failure } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { coursesWith } from '../../sale/line.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/loop.ts'
import { enrolledBuyers, sinceLastRound } from './enrolled.ts'
import { type Asking, lookUp } from './look-up.ts'
import { reportedInState, type Sought } from './reported.ts'
import { storeChecks } from './store-checks.ts'

/** The time from the start of a round to the next one. */
export const FOLLOW_UP_MS = 15 * 60_000
/** How often a replica that is not the leader looks whether it is now. */
const POLL_MS = 30_000
/** The least rest after a round, and the rest after one that failed. */
const AGAIN_MS = 60_000
/**
 * This many failed calls in a row, for as many people or courses, end the round: the cause isn't one of them. All calls for
 * one course count as one failure: with many buyers, the course would end each round at the same place.
 */
const FAILURES_IN_A_ROW = 3

interface FollowUpOptions extends Background, Pick<AppContext, 'context'>, Pick<Asking, 'modeOf'> {
  readonly lms: Lms
  readonly budget: Pick<Budget, 'tryAcquire'>
  readonly replicas: Pick<AppContext['replicas'], 'isLeader'>
  /** Whether calls to the LMS have no chance now: its circuit breaker is open. */
  readonly isLmsUnavailable: () => boolean
  /** One round: see RoundResult. */
  readonly makeRound: (options: RoundOptions) => Promise<RoundResult>
  /** From the start of a round to the next one. */
  readonly intervalMs: number
  /** Called after each round, until the service stops. */
  readonly onRound: (result: RoundResult) => void
}

/**
 * Follows up buyers, in rounds, until the signal is aborted: what has changed in the LMS is found, and the delivery says
 * so. The leader among the replicas does it; after it dies, the next one begins a round. A round makes no call while the
 * LMS is unavailable, and its calls can wait: see createTurns.
 */
export function runFollowUp(options: FollowUpOptions): Promise<void> {
  const { replicas, intervalMs, isLmsUnavailable, makeRound, onRound, signal } = options
  const pollMs = Math.min(POLL_MS, intervalMs)
  const round = async (): Promise<number> => {
    if (isLmsUnavailable() || !replicas.isLeader()) return pollMs
    const began = performance.now()
    const result = await makeRound({ ...options, asking: askingOf(options) })
    // The stop itself cuts calls, so its failures say nothing about the LMS.
    if (!signal.aborted) onRound(result)
    if (!result.complete) return Math.min(intervalMs, Math.max(AGAIN_MS, result.failure?.retryAfterMs ?? 0))
    return Math.max(began + intervalMs - performance.now(), Math.min(AGAIN_MS, intervalMs))
  }
  return runBackgroundLoop({ ...options, round, againMs: pollMs })
}

/** What each call of a round waits for. */
function askingOf({
  lms,
  modeOf,
  budget,
  replicas,
  isLmsUnavailable,
  signal,
}: FollowUpOptions): RoundOptions['asking'] {
  const assertMay = (): void => {
    if (signal.aborted || isLmsUnavailable() || !replicas.isLeader()) throw ROUND_OVER
  }
  const { turn, acquire } = createTurns({ budget, assertMay, signal })
  return { lms, modeOf, acquire, beforeCall: turn }
}

export interface RoundResult {
  /** What it looked up: those who wait, whether those who are enrolled still are, or what these have achieved. */
  readonly round: 'pre_enrolled' | 'enrolled' | 'outcomes'
  /** How many deliveries were looked up. */
  readonly deliveries: number
  readonly events: number
  /** The first failure of a call; null if there was none. */
  readonly failure: Pick<Failure, 'kind' | 'message' | 'retryAfterMs'> | null
  /** Whether it came to the end. */
  readonly complete: boolean
}

export interface RoundOptions extends Pick<Background, 'guard'>, Pick<AppContext, 'context'> {
  /** Rejects with ROUND_OVER if the round has to stop. */
  readonly asking: Asking & Pick<FollowUpOptions, 'lms'>
}

/** Rejects a call of a round that has to stop. What it has stored until then stays. */
export const ROUND_OVER = new Error('the round has to stop')

/**
 * Looks up all pre-enrolled buyers in the LMS, and stores their standings: see storeChecks. It changes nothing in the LMS. A
 * call that fails leaves its people to the next round. A failure that isn't about some people, such as an LMS that is
 * down, ends the round.
 */
export const followUpRound = (options: RoundOptions): Promise<RoundResult> =>
  lookAt(options, 'pre_enrolled', waitingBuyers(options))

/**
 * Looks up the enrolled buyers who became due since the last round that came to its end, and stores where their access
 * has ended or come back. It changes nothing in the LMS. A round that stops begins again with the same buyers; those of a
 * call that fails for them alone wait for the next week, so that they don't keep the others from it.
 */
export const enrolledRound = (options: RoundOptions): Promise<RoundResult> =>
  sinceLastRound(options, 'enrolled', (due) => lookAt(options, 'enrolled', enrolledBuyers(options, due)))

const lookAt = (
  options: RoundOptions,
  round: RoundResult['round'],
  buyers: AsyncIterable<readonly Sought[]>,
): Promise<RoundResult> =>
  makeRound(options, { round }, async (steps) => {
    const { context, asking, note } = steps
    const looking = { ...asking, allowancesOf: null, now: context.now }
    for await (const found of lookUp(looking, inPages(buyers))) {
      note(found, found.course)
      if (!found.ok) continue
      steps.looked(found.value.length)
      await storeChecks(context, { ...steps, checks: found.value })
    }
  })

/** What the steps of a round share. */
export interface Round extends RoundOptions {
  /** Counts deliveries that were looked up. */
  readonly looked: (deliveries: number) => void
  /**
   * Counts a call, and whether it failed.
   * @param course the course of a call that may have failed for it
   * @throws ROUND_OVER where going on is no use
   */
  readonly note: (
    judged: { readonly ok: true } | { readonly ok: false; readonly failure: NonNullable<RoundResult['failure']> },
    course?: string,
  ) => void
  /** Whether so many calls for a course have failed in a row that the cause is the course, or the LMS. */
  readonly isFailing: (course: string) => boolean
}

/**
 * Takes the steps of a round, and counts what it looks up, finds and fails at. If a step rejects with ROUND_OVER, the round
 * is over before its end.
 * @param of.local the kinds of failure that may be about the people of a call alone
 */
export async function makeRound(
  options: RoundOptions,
  { round, local = LOCAL }: { round: RoundResult['round']; local?: readonly Failure['kind'][] },
  steps: (of: Round) => Promise<void>,
): Promise<RoundResult> {
  const made = { round, deliveries: 0, events: 0 }
  let failure: RoundResult['failure'] = null
  /** How many calls have failed since the last that succeeded: by course, or each by itself. */
  const inARow = new Map<string | symbol, number>()
  const counting: Round = {
    ...options,
    context: {
      ...options.context,
      publish: (event) => {
        made.events++
        options.context.publish(event)
      },
    },
    looked: (deliveries) => {
      made.deliveries += deliveries
    },
    note: (judged, course) => {
      if (judged.ok) return inARow.clear()
      failure ??= judged.failure
      const about = course ?? Symbol('one person')
      inARow.set(about, (inARow.get(about) ?? 0) + 1)
      if (!local.includes(judged.failure.kind) || inARow.size >= FAILURES_IN_A_ROW) throw ROUND_OVER
    },
    isFailing: (course) => (inARow.get(course) ?? 0) >= FAILURES_IN_A_ROW,
  }
  try {
    await steps(counting)
    return { ...made, failure, complete: true }
  } catch (error) {
    if (error !== ROUND_OVER) throw error
    return { ...made, failure, complete: false }
  }
}

/** The same deliveries, as many at once as one search takes. */
async function* inPages(chunks: AsyncIterable<readonly Sought[]>): AsyncGenerator<Sought[]> {
  const page: Sought[] = []
  for await (const chunk of chunks) {
    page.push(...chunk)
    while (page.length >= SEARCH_ADDRESSES) yield page.splice(0, SEARCH_ADDRESSES)
  }
  if (page.length > 0) yield page
}

/** The pre-enrolled deliveries with the courses that wait for an account, in chunks. */
async function* waitingBuyers(options: RoundOptions): AsyncGenerator<Sought[]> {
  for await (const chunk of reportedInState(options, { state: 'pre_enrolled' })) {
    yield chunk.map((reported) => ({ reported, courses: coursesWith('allowed', reported.lines) }))
  }
}

/** The failures that may be about some people or one course. */
const LOCAL = ['server_error', 'refused'] as const satisfies readonly Failure['kind'][]
