import type { Resolve } from '../service/lib/outgoing-call.ts'
import { type Check, type CheckStatus, type Facts, type Finding, type Problem, skipped, type Tools } from './check.ts'
import { API_CHECKS } from './checks/api.ts'
import { CONSOLE_CHECKS } from './checks/console.ts'
import { ENROLLING_CHECKS } from './checks/enrolling.ts'
import { EVENT_CHECKS } from './checks/events.ts'
import { LMS_CHECKS } from './checks/lms.ts'
import { OUR_CHECKS } from './checks/ours.ts'
import { OUTSIDE_CHECKS } from './checks/outside.ts'
import { createProbe } from './checks/probe.ts'

/** All checks in the order of the results. A check comes after the checks that it needs. */
export const CHECKS = [
  ...OUR_CHECKS,
  ...LMS_CHECKS,
  ...API_CHECKS,
  ...ENROLLING_CHECKS,
  ...CONSOLE_CHECKS,
  ...OUTSIDE_CHECKS,
  ...EVENT_CHECKS,
]

export type CheckId = (typeof CHECKS)[number]['id']

/** The result of one check. The ids of checks and causes are stable; the texts are not. */
export interface Result {
  readonly id: CheckId
  readonly about: string
  readonly status: CheckStatus
  /** What the check found, or why it was skipped; null if the problems say it. */
  readonly detail: string | null
  readonly problems: readonly Problem[]
}

/** A request takes at most `callMs`, all checks together at most `totalMs`. */
export interface Deadlines {
  readonly callMs: number
  readonly totalMs: number
}
export const DEADLINES: Deadlines = { callMs: 4_000, totalMs: 14_000 }

/**
 * Runs all checks, each as soon as the checks that it needs are done, and returns the results in the order of CHECKS. It
 * changes nothing, neither here nor in the LMS.
 * @param from.env the environment variables
 * @param from.acquire waits for the right to one call that the LMS throttles, at most until the signal is aborted;
 *   resolves to whether it was given. Without it, every call is made at once.
 */
export async function examine(from: {
  env: Tools['env']
  now: () => number
  deadlines?: Deadlines
  resolve?: Resolve | undefined
  acquire?: (signal: AbortSignal) => Promise<boolean>
}): Promise<Result[]> {
  const { env, now, deadlines = DEADLINES, resolve, acquire = async () => true } = from
  const over = AbortSignal.timeout(deadlines.totalMs)
  const { probe, close } = createProbe({ callMs: deadlines.callMs, signal: over, now })
  const tools: Tools = {
    env,
    now,
    probe,
    callMs: deadlines.callMs,
    resolve,
    askLms: async ({ settings, request: { method, path, body, endpoint, changes }, token }) => {
      if (changes) throw new Error('doctor changes nothing')
      if (token !== undefined && THROTTLED.test(endpoint) && !(await acquire(over))) throw NO_PERMIT
      const headers = token === undefined ? {} : { authorization: `JWT ${token}` }
      return probe({ method, url: `${settings.LERNITO_LMS_URL}${path}`, endpoint, body, headers })
    },
  }
  const facts: Partial<Facts> = {}
  const running = new Map<CheckId, Promise<Result>>()
  for (const check of CHECKS) {
    const ready = Promise.all(check.needs.map((need) => running.get(need)))
    running.set(
      check.id,
      ready.then(async () => {
        const finding = await check.run(facts, tools).catch(withoutPermit)
        Object.assign(facts, finding.gives)
        return resultOf(check, finding)
      }),
    )
  }
  try {
    return await Promise.all(running.values())
  } finally {
    await close()
  }
}

/** The APIs that share a throttle with the calls of the service (recorded: throttle.json). */
const THROTTLED = /^\/api\/enrollment\//
const NO_PERMIT = new Error('no permit for a throttled call')

function withoutPermit(error: unknown): Finding {
  if (error !== NO_PERMIT) throw error
  return skipped('the call budget had no call left for it in time; check again in a minute')
}

function resultOf({ id, about }: Check<CheckId>, { problems, detail, skipped }: Finding): Result {
  const failing = problems.some(({ status }) => status === 'failure')
  const status = skipped ? 'skipped' : failing ? 'failure' : problems.length > 0 ? 'warning' : 'ok'
  return { id, about, status, detail, problems }
}
