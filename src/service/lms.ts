import { type Budget, createBudget, unlimitedBudget } from '../openedx/budget.ts'
import { createLms, type Lms } from '../openedx/lms.ts'
import type { Settings } from '../settings/settings.ts'
import { VERSION } from '../version.ts'

/**
 * The LMS as a command sees it that makes a few calls beside the service: one at a time, and without a budget, since it
 * can't know what the service spends. A call that the LMS throttles fails, and the command says so. To be closed.
 */
export function openLms(settings: Settings): { lms: Lms; budget: Budget; close: () => Promise<void> } {
  const lms = createLms({
    url: settings.LERNITO_LMS_URL,
    clientId: settings.LERNITO_LMS_CLIENT_ID,
    clientSecret: settings.LERNITO_LMS_CLIENT_SECRET,
    version: VERSION,
    concurrency: () => 1,
  })
  return { lms, budget: unlimitedBudget(), close: lms.close }
}

/** For a command that makes many calls beside the service: a part of the service's budget, such as a quarter (4). */
export function partOfBudget({ settings, part }: { settings: Settings; part: number }): Budget {
  const callsPerMinute = settings.LERNITO_LMS_CALLS_PER_MINUTE / part
  if (callsPerMinute === 0) return unlimitedBudget()
  return createBudget({ callsPerMinute, now: Date.now, replicas: () => 1, lastUsedAt: null })
}
