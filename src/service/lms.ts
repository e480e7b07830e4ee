import { type Budget, createBudget, type Permit, type StartedBudget, unlimitedBudget } from '../lms/client/budget.ts'
import { createLms, type Lms } from '../lms/lms.ts'
import type { Guest } from '../queue/replicas/guest.ts'
import { VERSION } from './lib/version.ts'
import type { LmsSettings } from './settings/settings.ts'

/** The client of the LMS that the settings name; see createLms for the rest. The caller closes it. */
export function createLmsClient({
  settings,
  ...rest
}: { settings: LmsSettings } & Pick<
  Parameters<typeof createLms>[0],
  'concurrency' | 'mayCall' | 'now' | 'onCall'
>): Lms {
  return createLms({
    url: settings.LERNITO_LMS_URL,
    clientId: settings.LERNITO_LMS_CLIENT_ID,
    clientSecret: settings.LERNITO_LMS_CLIENT_SECRET,
    version: VERSION,
    ...rest,
  })
}

/**
 * A call budget of `callsPerMinute`; 0 means no limit, as in LERNITO_LMS_CALLS_PER_MINUTE. The monotonic clock fills it: a
 * step of the clock `now`, by which `lastUsedAt` is known, would fill it at once.
 */
export function createCallBudget({ now, lastUsedAt, ...pace }: Parameters<typeof createBudget>[0]): StartedBudget {
  if (pace.callsPerMinute === 0) return unlimitedBudget()
  const clock = (): number => performance.now()
  const byClock = (at: number | null): number | null => (at === null ? null : clock() - Math.max(0, now() - at))
  const budget = createBudget({ ...pace, now: clock, lastUsedAt: byClock(lastUsedAt) })
  return { ...budget, beginAgain: (usedAt) => budget.beginAgain(byClock(usedAt)) }
}

/**
 * The client for a command that makes a few calls beside the service: one at a time, and without a call budget, because
 * the command can't know what the service spends. A call that the LMS throttles fails, and the command reports it. The
 * caller closes the client.
 */
export function openLms(settings: LmsSettings): { lms: Lms; acquire: () => Promise<Permit> } {
  const { signal } = new AbortController() // never aborted, because an unlimited budget never waits
  const budget = unlimitedBudget()
  return { lms: createLmsClient({ settings, concurrency: () => 1 }), acquire: () => budget.acquire(signal) }
}

/** For a command that makes many calls beside the service, one at a time: its share of the call budget. */
export function openLmsAsGuest({
  settings,
  guest: { replicas, mayCall },
  now,
}: {
  settings: LmsSettings
  guest: Guest
  /** ms since 1970 */
  now: () => number
}): { lms: Lms; budget: Budget } {
  const budget = createCallBudget({
    callsPerMinute: settings.LERNITO_LMS_CALLS_PER_MINUTE,
    now,
    replicas: replicas.liveCount,
    member: replicas.me,
    lastUsedAt: now(), // a service may have made the last call just now
  })
  return { lms: createLmsClient({ settings, concurrency: () => 1, mayCall }), budget }
}
