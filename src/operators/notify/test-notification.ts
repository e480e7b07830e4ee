import { auditedChange } from '../../queue/audited-change.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import type { PostedText, PostText } from './post-text.ts'
import { type ConsoleUrl, testText } from './words.ts'

/** Sends a test notification for an operator. Throws AppError database.unreachable while the database is unavailable. */
export type TestNotification = (order: { by: string }) => Promise<PostedText>

/** Each test is an entry of the audit, with what the receiver answered. `publish` gets that event. */
export function createTestNotification({
  context,
  guard,
  post,
  console,
  publish,
}: Pick<AppContext, 'context' | 'guard' | 'publish'> & { post: PostText; console: ConsoleUrl }): TestNotification {
  return async ({ by }) => {
    const posted = await post(testText(console))
    const event = { deliveryId: '', kind: 'notification_tested', detail: answerOf(posted), actor: by } as const
    const { events } = await guard(() => auditedChange(context, async () => ({ result: null, listed: [event] })))
    for (const one of events) publish(one)
    return posted
  }
}

/** What the receiver answered, for operators. */
const answerOf = (posted: PostedText): string => (posted.ok ? `the receiver answered ${posted.status}` : posted.message)
