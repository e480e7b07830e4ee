import { openLms } from '../service/lms.ts'
import type { LmsSettings } from '../service/settings/parts.ts'
import type { Log } from '../service/telemetry/log.ts'

/**
 * Asks the LMS for a token once, with a client of its own so that no webhook waits for it, and logs a warning with the
 * cause if the LMS can't be used. The service itself asks only when there is a sale.
 */
export async function askLmsOnce({
  settings,
  log,
  signal,
}: {
  settings: LmsSettings
  log: Log
  /** Aborted at the stop, which cuts the call. */
  signal: AbortSignal
}): Promise<void> {
  const { lms } = openLms(settings)
  const close = (): void => void lms.close()
  signal.addEventListener('abort', close, { once: true })
  const user = await lms.serviceUser()
  signal.removeEventListener('abort', close)
  if (signal.aborted) return
  const reason = reasonOf(user)
  if (reason !== null) {
    log.warn({ lms: settings.LERNITO_LMS_URL, reason }, 'the LMS cannot be used now; sales wait until it can')
  }
  await lms.close()
}

type User = Awaited<ReturnType<ReturnType<typeof openLms>['lms']['serviceUser']>>

function reasonOf(user: User): string | null {
  if (!user.ok) return user.failure.message
  const { username, administrator } = user.value
  return administrator === false ? `the user ${username} of LERNITO_LMS_CLIENT_ID is not staff in the LMS` : null
}
