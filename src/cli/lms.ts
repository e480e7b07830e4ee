import { type Permit, unlimitedBudget } from '../lms/client/budget.ts'
import { createLms, type Lms } from '../lms/lms.ts'
import { LMS_SETTINGS, type LmsSettings, readSettings } from '../service/settings/settings.ts'
import { loadDotEnv } from './command.ts'

/** The settings for calls to the LMS. Throws AppError settings.invalid if one is missing or wrong. */
export function readLmsSettings(): LmsSettings {
  loadDotEnv()
  return readSettings({ env: process.env, schema: LMS_SETTINGS })
}

/**
 * The client of the LMS for a command that makes a few calls beside the service: one at a time, and without a call budget,
 * because the command can't know what the service spends. A call that the LMS throttles fails, and the command reports it.
 * The caller closes the client.
 */
export function openLms(settings: LmsSettings): { lms: Lms; acquire: () => Promise<Permit> } {
  const { signal } = new AbortController() // never aborted, because an unlimited budget never waits
  const budget = unlimitedBudget()
  return { lms: createLms({ settings, concurrency: () => 1 }), acquire: () => budget.acquire(signal) }
}
