import { buildService } from '../service/service.ts'
import { readSettings } from '../service/settings/read.ts'
import { createLog } from '../service/telemetry/log.ts'
import { askLmsOnce } from './ask-lms.ts'
import { type Command, loadDotEnv, parseOptions, settingsHelp } from './command.ts'
import { runUntilSignal } from './run-service.ts'

export const serve: Command = {
  name: 'serve',
  summary: 'run the service',
  help: `Runs the service: it receives webhooks, stores them, and enrolls the buyers
through the LMS's API. It logs to standard output as JSON lines. SIGTERM stops
it within 8 seconds and LERNITO_DRAIN_MS. No accepted delivery is lost.

Usage: lernito-openedx serve

Example:
  LERNITO_WEBHOOK_SECRET=… LERNITO_LMS_URL=https://lms.example.com \\
  LERNITO_LMS_CLIENT_ID=… LERNITO_LMS_CLIENT_SECRET=… lernito-openedx serve

${settingsHelp()}`,
  run: async (args) => {
    parseOptions('serve', { args: [...args], options: {} })
    loadDotEnv()
    const { settings, warnings } = readSettings({ env: process.env })
    const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
    for (const warning of warnings) log.warn(warning)
    const { start, stop, failed } = buildService({ settings, env: process.env, log })
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
}
