/** What a log line means for an operator, and what to do about it. */
export interface Meaning {
  readonly means: string
  readonly action: string
}

/** The messages to act on by topic, as in the source, with … for variable parts. `npm run docs` fails if one is missing. */
export const MEANINGS: Readonly<Record<string, Readonly<Record<string, Meaning>>>> = {
  'The LMS': {
    'the LMS cannot be used now; sales wait until it can': {
      means: 'At its start, the service got no valid token, for `reason`.',
      action: 'Run `lernito-openedx doctor`.',
    },
    'LMS unavailable; deliveries wait': {
      means: 'The LMS is `down`, `throttled` or `misconfigured`, for `reason`.',
      action: 'Run `lernito-openedx doctor`, or see [Errors](errors.md#the-lms).',
    },
    'LMS fails for everyone in a course; its deliveries wait': {
      means: 'Calls for three people in `course` failed. The course is tried again at `probeAt`.',
      action: 'Find the cause in the log of the LMS.',
    },
    'courses of the LMS could not be read; the catalogue stays as it is': {
      means: 'The LMS did not list its courses, for `reason`, so the service goes on with those that it read before.',
      action: "If the console's page **Courses** says so for an hour, see [Errors](errors.md#the-lms).",
    },
  },
  'Sales and refunds': {
    'delivery needs attention': {
      means: 'The service can do no more for this sale, and `detail` is the reason.',
      action: 'See [States and reasons](states-and-reasons.md#reasons).',
    },
    'follow-up of buyers failed in part': {
      means: 'A look-up in the LMS failed for `reason`. The next round includes those who were left out.',
      action: 'If the line repeats, see [Errors](errors.md#the-lms).',
    },
    'refund received': {
      means: 'At the level `warn`: the service did nothing, for the reason `result`.',
      action:
        'For `never_sold`, compare the order `webhookId` with the deliveries. For `refund_reused` and `sale_id`, see [Errors](errors.md#answers-to-the-shop).',
    },
    'sale refused, because a refund came under the same webhook-id': {
      means: 'Nothing was stored.',
      action: 'See `refund_id` in [Errors](errors.md#answers-to-the-shop).',
    },
  },
  'Events for the shop': {
    'event for the shop failed; it waits to be sent again': {
      means:
        'An attempt failed for `reason`. The next one is at `retryAt`, or once the endpoint answers; after a 410, once an operator sends again.',
      action: 'If the line repeats, tell the developers of the shop.',
    },
    'gave up on an event for the shop': {
      means: 'All attempts in three days failed.',
      action: 'Remove the cause, then run `lernito-openedx events resend --failed`.',
    },
    "the shop's endpoint fails; events wait": {
      means: 'Three attempts in a row failed.',
      action: 'Tell the developers of the shop.',
    },
    "the shop's endpoint answered 410 Gone; it gets no events until an operator resends some": {
      means: 'The shop wants no more events there.',
      action: 'Ask its developers. To resume, run `lernito-openedx events resend --failed`.',
    },
  },
  'The service and its database': {
    'the database file was deleted, moved or replaced; the service stops': {
      means: 'The service has saved a copy and stopped.',
      action: '[Put the copy back](../how-to/back-up-and-restore.md#after-the-sqlite-file-was-deleted-or-replaced).',
    },
    'stopped waiting for the LMS or the database; unfinished deliveries continue after the next start': {
      means: 'During a stop, a call got no answer within 6 seconds.',
      action: 'Nothing. The service goes on when it starts again.',
    },
    'database unavailable; webhooks are refused': {
      means: 'Webhooks get 503 because of `reason`, and the shop sends them again.',
      action: 'Bring the database back.',
    },
    'request could not be served': {
      means: 'A webhook could not be stored and got 503. `cause` says why, for example a full disk.',
      action: 'Remove the cause.',
    },
    'a replica fell silent; the others take over its deliveries': {
      means: 'A replica sent no heartbeat for 20 seconds.',
      action: 'Find out why that replica stopped.',
    },
    'unexpected error; the work is retried': {
      means: 'Usually, the database did not store a result, and `error` says why.',
      action: 'Correct what `error` says, for example make room on the disk. Report any other error.',
    },
  },
  'Webhooks and requests': {
    'webhook refused': {
      means: 'The sender got `status`, for the reason `code`.',
      action: 'See [Errors](errors.md#answers-to-the-shop).',
    },
    'request refused': {
      means: 'A request other than a webhook got `status`, for the reason `code`.',
      action: 'If the sender is yours, see [Errors](errors.md#answers-to-the-shop).',
    },
    'the shop still signs with LERNITO_WEBHOOK_SECRET_PREVIOUS; remove that setting when this warning stops': {
      means: '`webhooks` counts the webhooks with the old secret since the last such line.',
      action: 'See [Rotate a secret](../how-to/rotate-a-secret.md).',
    },
    'load shedding started; some webhooks are answered 503': {
      means: 'Large bodies arrive too fast, or thousands of webhooks or slow senders came at once.',
      action: 'If it is an attack, block the sender in the proxy.',
    },
    'too many connections; those that have not sent a whole request are closed': {
      means: '`ip` is one of the senders. This is usually an attack.',
      action: 'Block that address in the proxy.',
    },
    'unexpected error': {
      means: 'A request met a fault in the service and got 500.',
      action: 'Report it with `stack`.',
    },
  },
  'Console and messages': {
    'the console is off: set …, or remove LERNITO_CONSOLE_CLIENT_ID': {
      means: 'The console lacks a setting. The service accepts webhooks all the same.',
      action: 'Set what is missing and restart the service.',
    },
    'turned away from the console: not staff': {
      means: '`actor` has an account in the LMS.',
      action: 'To let this person in, make them active staff there.',
    },
    'console sign-in failed': {
      means: '`reason` is the cause.',
      action: 'If it names the OAuth application, correct the application in the LMS.',
    },
    'a person could not be erased; erase them again in the console': {
      means: 'The service may have erased only a part.',
      action: 'Remove the cause that `error` names, then erase the person again.',
    },
    'unexpected error in the console': {
      means: 'A page met a fault in the service.',
      action: 'Report it with `stack`.',
    },
    'notification failed; the service sends it again': {
      means: '`LERNITO_NOTIFY_URL` did not accept a message, for `reason`.',
      action: 'If the line repeats, send a test under **Setup** in the console.',
    },
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

/** The events whose name says all. Those from `replayed` on are an operator's acts. */
export const PLAIN_EVENTS: readonly string[] = [
  'repeated',
  'enrolled',
  'pre_enrolled',
  'rejected',
  'needs_attention',
  'repaired',
  'access_restored',
  'passed',
  'certificate_issued',
  'certificate_revoked',
  'withdrawn',
  'replayed',
  'handled',
  'checked',
  'corrected',
  'withdrawal_requested',
  'sent_again',
  'forgotten',
  'bulk_replay_started',
  'bulk_replay_stopped',
  'bulk_correction_started',
  'bulk_correction_stopped',
  'cause_acknowledged',
  'cause_resolved',
  'notification_tested',
]

/** The meaning of each event of a delivery. A line with an event has the message `delivery` and the event as a text. */
export const EVENT_MEANINGS: Readonly<Record<string, string>> = {
  received: 'A sale was stored. `detail` names the form of its signature, and its `webhook-id`.',
  id_reused:
    'Another sale came under the `webhook-id` of this one and was refused. Have the shop send it under an id of its own.',
  claimed: 'A pre-enrolled buyer is now enrolled in every course.',
  retry_scheduled: '`detail` is the number of the attempt and its failure.',
  standing_changed: 'The follow-up found a change in the LMS, which `detail` names.',
  access_ended: 'The buyer lost the courses in `detail` in the LMS, without an order here.',
  withdrawal_failed: 'The buyer could not be taken out of a course. `detail` says why.',
  refund_failed: 'A refund could not take the buyer out of a course. `detail` says why, and the shop gets an event.',
  kept: 'Another sale was refunded or withdrawn, but this delivery keeps the buyer in the course in `detail`.',
}

/** Calls whose message is not a literal, by file. The page describes their messages elsewhere. */
export const UNWRITTEN: Readonly<Record<string, string>> = {
  'src/cli/serve.ts': 'warnings about settings',
  'src/cli/sandbox.ts': 'warnings about settings',
  'src/service/telemetry/log.ts': 'events of deliveries',
  'src/service/telemetry/observer.ts': 'floods',
}
