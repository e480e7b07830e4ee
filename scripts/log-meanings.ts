/** What the messages to act on mean, and what to do, by topic. A message has … for its variable parts. `npm run docs` fails if one is missing. */
export const MEANINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'The LMS': {
    'the LMS cannot be used now; sales wait until it can':
      'At its start, the service got no valid token, for `reason`. Run `lernito-openedx doctor`.',
    'LMS unavailable; deliveries wait':
      'The LMS is `down`, `throttled` or `misconfigured`, for `reason`. Run `lernito-openedx doctor`, or see [Errors](errors.md#the-lms).',
    'LMS fails for everyone in a course; its deliveries wait':
      'Calls for three people in `course` failed. The service tries again at `probeAt`. Find the cause in the log of the LMS.',
    'courses of the LMS could not be read; the catalogue stays as it is':
      'The LMS did not list its courses, for `reason`, so the service goes on with its earlier list. If the page **Courses** of the console says so for an hour, see [Errors](errors.md#the-lms).',
  },
  'Sales and refunds': {
    'delivery needs attention':
      'The service can do no more for this sale. Look up `detail` in [Reasons](states-and-reasons.md#reasons).',
    'follow-up of buyers failed in part':
      'A look-up in the LMS failed for `reason`, so some buyers wait for the next round. If the line repeats, see [Errors](errors.md#the-lms).',
    'refund received':
      'At the level `warn`, the service did nothing, for the reason `result`. For `never_sold`, look for the order of `webhookId` among the deliveries. For `refund_reused` and `sale_id`, see [Errors](errors.md#answers-to-the-shop).',
    'sale refused, because a refund came under the same webhook-id':
      'The sale was not stored. See `refund_id` in [Errors](errors.md#answers-to-the-shop).',
  },
  'Events for the shop': {
    'event for the shop failed; it waits to be sent again':
      'An attempt failed for `reason`. The next one is at `retryAt`, or once the endpoint answers; after a 410, once an operator sends again. If the line repeats, tell the developers of the shop.',
    'gave up on an event for the shop':
      'All attempts in three days failed. Remove the cause, then run `lernito-openedx events resend --failed`.',
    "the shop's endpoint fails; events wait": 'Three attempts in a row failed. Tell the developers of the shop.',
    "the shop's endpoint answered 410 Gone; it gets no events until an operator resends some":
      'Ask the developers of the shop whether they want no more events there. To resume, run `lernito-openedx events resend --failed`.',
  },
  'The service and its database': {
    'the database file was deleted, moved or replaced; the service stops':
      '[Put back the copy that the service has saved](../how-to/back-up-and-restore.md#after-the-sqlite-file-was-deleted-or-replaced).',
    'a saved copy of a lost database file is beside the database and is not used; if sales are missing, put it in its place':
      'At its start, the service found `copies`. [Put one back, or delete them](../how-to/back-up-and-restore.md#after-the-sqlite-file-was-deleted-or-replaced).',
    'stopped waiting for the LMS or the database; unfinished deliveries continue after the next start':
      'During a stop, a call got no answer within 6 seconds. Nothing to do: the service goes on when it starts again.',
    'database unavailable; webhooks are refused':
      'Webhooks get 503 for `reason`, and the shop sends them again. Bring the database back.',
    'request could not be served':
      'A webhook could not be stored and got 503. Remove the `cause`, for example a full disk.',
    'a replica fell silent; the others take over its deliveries':
      'A replica sent no heartbeat for 20 seconds. Find out why it stopped.',
    'unexpected error; the work is retried':
      'Usually, the database did not store a result. Correct what `error` says, for example make room on the disk, or report it.',
  },
  'Webhooks and requests': {
    'webhook refused':
      'A request to the webhook or another address for the shop got `status`, for the reason `code`. See [Errors](errors.md#answers-to-the-shop).',
    'request refused':
      'A request that breaks HTTP or a limit, goes to any other address, or comes during a stop got `status` for `code`. If the sender is yours, see [Errors](errors.md#answers-to-the-shop).',
    'the shop still signs with LERNITO_WEBHOOK_SECRET_PREVIOUS; remove that setting when this warning stops':
      '`webhooks` counts the webhooks with the old secret in the last minute. See [Rotate a secret](../how-to/rotate-a-secret.md).',
    'load shedding started; some webhooks are answered 503':
      'Large bodies arrive too fast, or thousands of webhooks or slow senders came at once. If this is an attack, block the sender in the proxy.',
    'too many connections; those that have not sent a whole request are closed':
      'This is usually an attack. Block `ip`, one of the senders, in the proxy.',
    'unexpected error': 'The service has a fault, and the request got 500. Report it with `stack`.',
  },
  'Console and messages': {
    'the console is off: set …, or remove LERNITO_CONSOLE_CLIENT_ID':
      'The service accepts webhooks all the same. Set what is missing, and restart the service.',
    'turned away from the console: not staff': 'To let `actor` in, make them active staff in the LMS.',
    'console sign-in failed': 'If `reason` names the OAuth application, correct it in the LMS.',
    'a person could not be erased; erase them again in the console':
      'The service may have erased only a part. Remove the cause that `error` names, then erase the person again.',
    'unexpected error in the console': 'The console has a fault. Report it with `stack`.',
    'notification failed; the service sends it again':
      'The chat did not accept a message, for `reason`. If the line repeats, send a test under **Setup** in the console.',
  },
}

/** The messages that tell what the service does, and ask nothing of an operator. */
export const QUIET: readonly string[] = [
  'listening',
  'ready for webhooks',
  'continuing with deliveries that were unfinished at the last stop',
  'stopping',
  'stopped',
  'LMS available again; work continues',
  'LMS works for the course again; its deliveries are retried',
  'LMS call',
  'buyers followed up',
  'old deliveries deleted',
  'event sent to the shop',
  "the shop's endpoint accepts events again",
  'database available',
  'connection ended without a whole request',
  'connection cut, because it sent many requests without waiting for answers',
  'load shedding ended',
  'the console is on',
  'the console is off; to turn it on, set LERNITO_CONSOLE_CLIENT_ID as docs/how-to/use-the-console.md says',
  'signed in to the console',
  'signed out of the console',
  'notification sent',
]

/** Calls whose message is not a literal, by file. The page describes their messages elsewhere. */
export const UNWRITTEN: Readonly<Record<string, string>> = {
  'src/cli/serve.ts': 'warnings about settings',
  'src/cli/sandbox.ts': 'warnings about settings',
  'src/service/telemetry/log.ts': 'events of deliveries',
  'src/service/telemetry/observer.ts': 'floods',
}
