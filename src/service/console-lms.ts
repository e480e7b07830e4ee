import type { Checks, ChecksRun } from '../console/parts.ts'
import { examine } from '../doctor/examine.ts'
import { type CheckedNow, checkNow } from '../enroll/follow-up/check-now.ts'
import type { Permit } from '../lms/client/budget.ts'
import type { Parts } from './parts.ts'
import type { Env } from './settings/settings.ts'

/** How long an operator waits for the call budget. */
const OPERATOR_WAITS_MS = 10_000

/**
 * Looks up deliveries in the LMS for an operator; see checkNow. It uses the client that the circuit breaker doesn't watch,
 * but not while the circuit breaker is open.
 */
export function createCheckNow({ context, guard, lms, isLmsUnavailable, budget, modeOf, signal }: Parts) {
  return async (order: { ids: readonly string[]; by: string }): Promise<CheckedNow[]> => {
    const fail = (failure: string): CheckedNow[] => order.ids.map((id) => ({ id, failure }))
    if (isLmsUnavailable()) return fail('the LMS is not available')
    let isBusy = false
    const acquire = (): Promise<Permit> =>
      budget.acquire(AbortSignal.any([signal, AbortSignal.timeout(OPERATOR_WAITS_MS)])).catch((error: unknown) => {
        isBusy = true
        throw error
      })
    try {
      return await guard(() => checkNow({ context, lms, modeOf, ...order, acquire }))
    } catch (error) {
      if (isBusy) return fail('the call budget is used up: try again in a minute')
      throw error
    }
  }
}

/**
 * The checks of doctor, run by this service for the console. One run at a time: who asks during a run gets its results.
 * A call that the LMS throttles takes its permit from the call budget of the service.
 * @param from.env the environment variables that the settings were read from, with the address at which this service is open
 */
export function createChecks(of: { env: () => Env } & Pick<Parts, 'now' | 'budget' | 'signal'>): Checks {
  const { env, now, budget, signal } = of
  let running: Promise<ChecksRun> | null = null
  let last: ChecksRun | null = null

  /** False if there was no permit before `over` was aborted. */
  const acquire = async (over: AbortSignal): Promise<boolean> => {
    const permit = await budget.acquire(AbortSignal.any([signal, over])).catch(() => null)
    permit?.spend()
    return permit !== null
  }
  const start = async (): Promise<ChecksRun> => {
    const results = await examine({ env: env(), now, acquire })
    last = { at: now(), results }
    return last
  }
  return {
    run: () => {
      running ??= start().finally(() => {
        running = null
      })
      return running
    },
    last: () => last,
  }
}
