import { type Budget, createBudget, type Permit, unlimitedBudget } from '../openedx/budget.ts'
import { createLms, type Lms } from '../openedx/lms.ts'
import type { Settings } from '../settings/settings.ts'
import { VERSION } from '../version.ts'

/** The client of the LMS that the settings name; see createLms for the rest. To be closed. */
export function lmsOf({
  settings,
  ...rest
}: { settings: Settings } & Pick<Parameters<typeof createLms>[0], 'concurrency' | 'mayCall' | 'now' | 'onCall'>): Lms {
  return createLms({
    url: settings.LERNITO_LMS_URL,
    clientId: settings.LERNITO_LMS_CLIENT_ID,
    clientSecret: settings.LERNITO_LMS_CLIENT_SECRET,
    version: VERSION,
    ...rest,
  })
}

/** The right to so many calls a minute; 0 is no limit, as LERNITO_LMS_CALLS_PER_MINUTE has it. */
export function budgetOf(pace: Parameters<typeof createBudget>[0]): Budget {
  return pace.callsPerMinute === 0 ? unlimitedBudget() : createBudget(pace)
}

/**
 * The LMS as a command sees it that makes a few calls beside the service: one at a time, and without a budget, since it
 * can't know what the service spends. A call that the LMS throttles fails, and the command says so. To be closed.
 */
export function openLms(settings: Settings): { lms: Lms; acquire: () => Promise<Permit> } {
  const { signal } = new AbortController() // never aborted: there is nothing to wait for
  const budget = unlimitedBudget()
  return { lms: lmsOf({ settings, concurrency: () => 1 }), acquire: () => budget.acquire(signal) }
}

/** For a command that makes many calls beside the service: a part of the service's budget, such as a quarter (4). */
export function partOfBudget({ settings, part }: { settings: Settings; part: number }): Budget {
  const callsPerMinute = settings.LERNITO_LMS_CALLS_PER_MINUTE / part
  return budgetOf({ callsPerMinute, now: Date.now, replicas: () => 1, lastUsedAt: null })
}
