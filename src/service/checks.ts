import type { Checks, ChecksRun } from '../console/parts.ts'
import { examine } from '../doctor/examine.ts'
import type { CallContext } from '../enroll/pair.ts'

export type Env = Readonly<Record<string, string | undefined>>

/**
 * The checks of doctor, run by this service for the console. One run at a time: who asks during a run gets its results.
 * A call that the LMS throttles takes its permit from the call budget of the service.
 * @param from.env the environment variables that the settings were read from, with the address at which this service is open
 * @param from.access null before the work has begun
 */
export function createChecks(from: { env: () => Env; now: () => number; access: () => CallContext | null }): Checks {
  const { env, now, access } = from
  let running: Promise<ChecksRun> | null = null
  let last: ChecksRun | null = null

  const start = async (): Promise<ChecksRun> => {
    const results = await examine({ env: env(), now, acquire: (signal) => acquireFor(access(), signal) })
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

async function acquireFor(access: CallContext | null, signal: AbortSignal): Promise<boolean> {
  if (access === null) return false
  const permit = access.acquire()
  const late = new Promise<null>((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }))
  const given = await Promise.race([permit, late]).catch(() => null) // it rejects when the service stops
  if (given === null) {
    permit.then((unused) => unused.release()).catch(() => {})
    return false
  }
  given.spend()
  return true
}
