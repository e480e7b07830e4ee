import { type Budget, createBudget, type Permit, unlimitedBudget } from '../lms/client/budget.ts'
import { createLms, type Lms } from '../lms/lms.ts'
import type { Guest } from '../queue/replicas/guest.ts'
import type { LmsSettings } from './settings/settings.ts'

/**
 * The client for a command that makes a few calls beside the service: one at a time, and without a call budget, because
 * the command can't know what the service spends. A call that the LMS throttles fails, and the command reports it. The
 * caller closes the client.
 */
export function openLms(settings: LmsSettings): { lms: Lms; acquire: () => Promise<Permit> } {
  const { signal } = new AbortController() // never aborted, because an unlimited budget never waits
  const budget = unlimitedBudget()
  return { lms: createLms({ settings, concurrency: () => 1 }), acquire: () => budget.acquire(signal) }
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
  const budget = createBudget({ callsPerMinute: settings.LERNITO_LMS_CALLS_PER_MINUTE, replicas, now })
  return { lms: createLms({ settings, concurrency: () => 1, mayCall }), budget }
}
