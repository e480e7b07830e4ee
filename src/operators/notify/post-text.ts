import { auditedChange } from '../../queue/events.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { connectionCause } from '../../service/lib/outgoing-call.ts'
import { type ConsoleUrl, testText } from './words.ts'

const POST_TIMEOUT_MS = 10_000

/** How a post ended. `message` says why it failed, without the address, which is a secret. */
export type PostedText =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly status: number | null; readonly message: string }

/** Posts a text. Throws nothing. `stop` ends the attempt. */
export type PostText = (text: string, stop?: AbortSignal) => Promise<PostedText>

/**
 * Returns a function that posts `{"text": …}`, the format of incoming webhooks in Slack and compatible services. It
 * follows no redirect.
 * @param from.url LERNITO_NOTIFY_URL
 */
export function createTextPoster({ url, timeoutMs = POST_TIMEOUT_MS }: { url: string; timeoutMs?: number }): PostText {
  return async (text, stop) => {
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const { ok, status, body } = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text }),
        redirect: 'manual',
        signal: stop === undefined ? timeout : AbortSignal.any([timeout, stop]),
      })
      await body?.cancel()
      return ok ? { ok, status } : { ok, status, message: refusalText(status) }
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined
      const why = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : connectionCause(cause)
      return { ok: false, status: null, message: `the receiver can’t be reached: ${why}` }
    }
  }
}

const refusalText = (status: number): string =>
  status >= 300 && status < 400
    ? `the receiver redirects (${status}), and redirects are not followed: set LERNITO_NOTIFY_URL to the address that does not redirect`
    : `the receiver answered ${status}`

/**
 * Returns a function that sends a test notification for an operator. Each test is an entry of the audit, with what the
 * receiver answered. Throws AppError database.unreachable while the database is unavailable.
 */
export function createTestNotification(
  from: Pick<AppContext, 'context' | 'guard'> & { post: PostText; console: ConsoleUrl },
) {
  const { context, guard, post, console } = from
  return async ({ by }: { by: string }): Promise<PostedText> => {
    const posted = await post(testText(console))
    const event = { deliveryId: '', kind: 'notification_tested', detail: answerOf(posted), actor: by } as const
    await guard(() => auditedChange(context, async () => ({ result: null, listed: [event] })))
    return posted
  }
}

/** What the receiver answered, for operators. */
const answerOf = (posted: PostedText): string => (posted.ok ? `the receiver answered ${posted.status}` : posted.message)
