import { buildService } from '../service/service.ts'
import { type LmsSettings, readSettings, SETTINGS, SETTINGS_SCHEMA } from '../service/settings/settings.ts'
import { warningsFor } from '../service/settings/warnings.ts'
import { createLog, type Log } from '../service/telemetry/log.ts'
import { command, loadDotEnv, runUntilSignal } from './command.ts'
import { openLms } from './lms.ts'
import { wrapped } from './plain.ts'

export const serve = command({
  name: 'serve',
  options: {},
  parts: { settings: settingsHelp },
  run: async () => {
    loadDotEnv()
    const { env } = process
    const settings = readSettings({ env, schema: SETTINGS_SCHEMA })
    const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
    for (const warning of warningsFor({ env, settings })) log.warn(warning)
    const { start, stop, failed } = buildService({ settings, env, log })
    const stopping = new AbortController()
    return runUntilSignal({
      start: async () => {
        await start()
        void askLmsOnce({ settings, log, signal: stopping.signal })
      },
      stop: () => {
        stopping.abort()
        return stop()
      },
      failed,
      drainMs: settings.LERNITO_DRAIN_MS,
    })
  },
})

/**
 * Asks the LMS for a token once, with a client of its own so that no webhook waits for it, and logs a warning with the
 * cause if the LMS can't be used. The service itself asks only when there is a sale.
 * @param of.signal aborted at the stop, which cuts the call
 */
async function askLmsOnce(of: { settings: LmsSettings; log: Log; signal: AbortSignal }): Promise<void> {
  const { settings, log, signal } = of
  const { lms } = openLms(settings)
  signal.addEventListener('abort', () => void lms.close(), { once: true })
  const user = await lms.serviceUser()
  if (signal.aborted) return
  const isStaff = user.ok && user.value.administrator !== false
  if (!isStaff) {
    const reason = user.ok
      ? `the user ${user.value.username} of LERNITO_LMS_CLIENT_ID is not staff in the LMS`
      : user.failure.message
    log.warn({ lms: settings.LERNITO_LMS_URL, reason }, 'the LMS cannot be used now; sales wait until it can')
  }
  await lms.close()
}

/** The settings as a section of the help, generated from their declaration. */
function settingsHelp(): string {
  const lines = SETTINGS.map(({ name, meaning, fallback, required }) => {
    const presence = required ? 'required' : fallback === undefined ? 'optional' : `default ${fallback}`
    return `  ${name} (${presence})\n${wrapped(meaning, '      ')}`
  })
  return `Settings (environment variables, or a file .env in the working folder):\n${lines.join('\n')}\n`
}
