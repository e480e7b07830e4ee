/** The meaning of a log line for the operator, and the action to take. */
export interface Meaning {
  readonly means: string
  readonly action: string
  /** The fields of the line, if the source passes them in a variable. */
  readonly fields?: readonly string[]
}

const NOTHING = 'Nothing.'
const REFUSED = ['code', 'status', 'ip']

/** The messages by topic, as in the source, with … for variable parts. `npm run docs` fails if one is missing. */
export const MEANINGS: Readonly<Record<string, Readonly<Record<string, Meaning>>>> = {
  'Start and stop': {
    listening: {
      means: 'MySQL only: the port is open, and webhooks get 503 until `ready for webhooks`.',
      action: NOTHING,
    },
    'ready for webhooks': { means: 'The start is complete.', action: NOTHING },
    'unfinished deliveries found; the service continues them': {
      means: 'The last process was killed, or stopped with work left.',
      action: NOTHING,
    },
    'the database file was deleted, moved or replaced; the service ends': {
      means: 'SQLite only: what the service stores would be lost. It finishes what is in flight and copies the file.',
      action:
        'See [After the SQLite file was deleted or replaced](../how-to/back-up-and-restore.md#after-the-sqlite-file-was-deleted-or-replaced).',
    },
    stopping: { means: 'The service received a signal to stop, or its database file is lost.', action: NOTHING },
    stopped: { means: 'The stop is complete.', action: NOTHING },
    'the LMS or the database is slow; unfinished deliveries wait for the next start': {
      means: 'At a stop, a call gave no answer within 6 seconds.',
      action: NOTHING,
    },
  },
  'The LMS': {
    'the LMS cannot be used now; sales wait until it can': {
      means:
        'At its start, `serve` asks the LMS once for a token. `reason` is why it got none, or why it is of no use.',
      action: 'Run `lernito-openedx doctor`. See [Errors](errors.md#the-lms).',
    },
    'LMS unavailable; deliveries wait': {
      means: '`state` is `down`, `throttled` or `misconfigured`; `reason` is the cause.',
      action: 'See [Errors](errors.md#the-lms).',
    },
    'LMS available again; work continues': { means: 'The LMS is available again.', action: NOTHING },
    'LMS fails for everyone in a course; its deliveries wait': {
      means: 'Calls for three different people failed in `course`. It is paused until `probeAt`, then tried again.',
      action: 'Find the cause in the log of the LMS. One cause is a forum role that exists twice.',
    },
    'LMS works for the course again; its deliveries are retried': {
      means: 'The pause of `course` ended.',
      action: NOTHING,
    },
    'LMS call': {
      means: 'One call to the LMS; `status` is null if there was no answer, `ms` is its duration.',
      action: NOTHING,
      fields: ['endpoint', 'method', 'status', 'ms'],
    },
  },
  Deliveries: {
    'delivery needs attention': {
      means: '`detail` is the reason.',
      action: 'See [States and reasons](states-and-reasons.md#reasons).',
      fields: ['delivery', 'event', 'detail', 'actor'],
    },
    'pre-enrolled buyers followed up': {
      means:
        'A round of the follow-up. `events` counts the changes; each has a line of its own. Without any, logged as debug.',
      action: NOTHING,
      fields: ['deliveries', 'events', 'complete'],
    },
    'follow-up of pre-enrolled buyers failed in part': {
      means: '`reason` is the failure of the first call that failed. The next round looks up who was left out.',
      action: 'If the line repeats, see [Errors](errors.md#the-lms).',
      fields: ['deliveries', 'events', 'complete', 'reason'],
    },
    'old deliveries deleted': { means: 'They were older than `LERNITO_RETENTION_DAYS`.', action: NOTHING },
  },
  Refunds: {
    'refund received': {
      means:
        'A signed refund. `result` is `accepted`, `repeat` (the same `webhook-id` again, which changes nothing), `never_sold` (answered 404), `id_reused` (another payload under a known id, which was not processed) or `sale_id` (under the `webhook-id` of a sale, which was refused). `deliveries` are those that it concerns, `courses` the number of course keys. The last three are warnings.',
      action:
        'For `never_sold`, compare the shop’s order with the deliveries. For `sale_id` and `id_reused`, have the shop send each refund under an id of its own. If it does, this was a captured sale: see [Security](../explanation/security.md#who-can-do-what).',
      fields: ['result', 'deliveries', 'courses'],
    },
    'sale refused; its webhook-id is that of a refund': {
      means: 'A signed sale came under the `webhook-id` of a refund. Nothing was stored.',
      action:
        'Have the shop send each sale under an id of its own. If it does, this was a captured refund: see [Security](../explanation/security.md#who-can-do-what).',
      fields: ['webhookId'],
    },
  },
  'Events for the shop': {
    'event sent to the shop': {
      means: 'The endpoint accepted an event. `eventId` is its webhook-id, `attempts` the number of attempts.',
      action: NOTHING,
    },
    'event for the shop failed; it is sent again': {
      means: '`reason` is the cause; the next attempt is at `retryAt`, or later while the endpoint is down.',
      action: 'Nothing, unless it repeats: then tell the developers of the shop.',
    },
    'event for the shop given up': {
      means: 'The last attempt, after three days, failed.',
      action: 'Fix the cause, then send again under **Events** in the console or with `events resend --failed`.',
    },
    "the shop's endpoint fails; events wait": {
      means: 'Three attempts in a row failed; `reason` is the cause. One event at a time is sent until one succeeds.',
      action: 'Tell the developers of the shop. Sales are enrolled as usual.',
    },
    "the shop's endpoint accepts events again": { means: 'All events are sent.', action: NOTHING },
    "the shop's endpoint wants no more events; none is sent until an operator sends again": {
      means: 'It answered 410 Gone.',
      action:
        'Ask the developers of the shop. To resume, set another `LERNITO_EVENTS_URL`, or run `events resend --failed`.',
    },
  },
  'Database and replicas': {
    'database unavailable; webhooks are refused': {
      means: '`reason` is the cause. Webhooks get 503.',
      action: 'Bring the database back. The service needs no restart.',
    },
    'database available': { means: 'The database is available again.', action: NOTHING },
    'request could not be served': {
      means: 'A webhook got 503 because it could not be stored. `cause` is the reason, such as a full disk.',
      action: 'Remove the cause. The shop sends the webhook again.',
    },
    'silent replica pruned; its deliveries are released': {
      means: 'A replica missed its heartbeats for 20 seconds. The other replicas claim its deliveries.',
      action: 'Find out why it stopped.',
    },
    'unexpected error; the work is retried': {
      means: 'Usually a result that the database does not store; see `error`.',
      action: 'Make room on the disk. Report other errors.',
    },
  },
  'Webhooks and requests': {
    'webhook refused': {
      means: '`code` and `status` are the reason. Many with 401: the secrets differ, or a sender guesses.',
      action: 'See [Errors](errors.md#answers-to-the-shop).',
      fields: REFUSED,
    },
    'request refused': {
      means: 'The request was not a webhook: another path, invalid HTTP, too slow, too large.',
      action: 'See [Errors](errors.md#answers-to-the-shop).',
      fields: [...REFUSED, 'detail'],
    },
    'connection ended without a whole request': { means: 'A sender closed the connection early.', action: NOTHING },
    'the shop still signs with LERNITO_WEBHOOK_SECRET_PREVIOUS; remove that setting when this warning stops': {
      means: 'At most one line a minute; `webhooks` counts them since the last line.',
      action: 'See [Rotate a secret](../how-to/rotate-a-secret.md).',
    },
    'load shedding started; some webhooks are answered 503': {
      means:
        'The service sheds load. `shortage` is `time` (bodies over 8 KiB arrive too fast, usually an attack) or `memory` (some 8,000 webhooks at once, or thousands of slow senders).',
      action: 'In an attack, block the sender in the proxy.',
    },
    'load shedding ended': {
      means: 'The service no longer sheds load. `refused` webhooks got 503.',
      action: 'Nothing: the shop sends the refused webhooks again.',
    },
    'too many connections; those without a whole request are cut': {
      means:
        'More than 10,000 connections; `ip` is the address of one. The service cuts those that have waited longest.',
      action: 'Usually an attack: block it in the proxy. Allow more than 10,000 open files (`ulimit -n`).',
    },
    'unexpected error': {
      means: 'A request got 500 because of a fault in the service.',
      action: 'Report it with `stack`.',
    },
  },
  'Console and messages': {
    'the console is on': {
      means: '`url` is its address; register `callback` as redirect URI in the LMS.',
      action: NOTHING,
    },
    'the console is off; LERNITO_CONSOLE_CLIENT_ID turns it on, see docs/how-to/use-the-console.md': {
      means: 'The setting is empty.',
      action: 'Nothing, unless you want the console.',
    },
    'the console is off: set …, or remove LERNITO_CONSOLE_CLIENT_ID': {
      means: 'A setting of the console is missing. Webhooks are accepted.',
      action: 'Set it and restart.',
    },
    'signed in to the console': { means: '`actor` is the operator. Logged as info.', action: NOTHING },
    'signed out of the console': { means: '`actor` is the operator. Logged as info.', action: NOTHING },
    'turned away from the console: not staff': {
      means: '`actor` signed in to the LMS and is not staff there. Logged as warn.',
      action: 'Nothing, unless the person should be staff.',
    },
    'console sign-in failed': {
      means: '`reason` is the cause.',
      action: 'If it is the application, correct it in the LMS: see [Use the console](../how-to/use-the-console.md).',
    },
    'a person could not be erased; repeat it in the console': {
      means: 'The operator’s page was answered before the work failed. The person may be erased in part.',
      action: 'Remove the cause that `error` names, and repeat it.',
    },
    'unexpected error in the console': {
      means: 'A page failed because of a fault in the service.',
      action: 'Report it.',
    },
    'notification sent': {
      means: 'The receiver accepted a message. `causes` is how many it tells of.',
      action: NOTHING,
    },
    'notification failed; the service sends it again': {
      means:
        'The address in `LERNITO_NOTIFY_URL` did not accept a message; `reason` says why. The pauses grow up to 15 minutes.',
      action: 'If the line repeats, send a test from the page **Setup** of the console, and check the address.',
    },
  },
}

/** The meaning of each event of a delivery. A line with an event has the message `delivery` and the event as a text. */
export const EVENT_MEANINGS: Readonly<Record<string, string>> = {
  received:
    'A webhook with a valid signature was stored. `detail` names the form of the signature, and the `webhook-id` if there is one.',
  repeated: 'The shop sent the same sale again.',
  id_reused:
    'Another sale came under the `webhook-id` of this one. It was not processed and got the answer of this one. Ask the shop for the sale, and have it sent under an id of its own. Logged as warn.',
  enrolled: 'The buyer is enrolled in every course.',
  pre_enrolled: 'In at least one course, an allowance waits until the buyer has an active account.',
  claimed: 'The follow-up found the buyer of a pre-enrolled delivery enrolled in every course.',
  rejected: 'The payload is wrong, so no attempt is made.',
  needs_attention: 'An operator has to act; logged as warn.',
  retry_scheduled:
    '`detail` is the number of the attempt and its failure. The attempt is not counted if the LMS as a whole failed.',
  replayed: '`actor` replayed the delivery.',
  handled: '`actor` marked it as handled; `detail` is the note.',
  repaired: '`reconcile --fix` enrolled the buyer again.',
  checked: '`actor` checked the courses in the LMS; `detail` is the result.',
  standing_changed: 'The follow-up found a change in the LMS; `detail` names it.',
  corrected: '`actor` corrected the delivery; `detail` names the other one.',
  withdrawal_requested: '`actor` ordered to withdraw the buyer from courses; `detail` names them.',
  withdrawal_failed: 'A course could not be withdrawn; `detail` is the reason. Logged as warn.',
  withdrawn: 'The buyer was taken out of the courses that `detail` names.',
  sent_again:
    '`actor` sent the state of the delivery to the shop again. For all failed events, the line has no `delivery`.',
  forgotten: 'A person was erased. The line has no `delivery`.',
  bulk_replay_started: '`actor` started a bulk replay. The line has no `delivery`.',
  bulk_replay_stopped: '`actor` stopped a bulk replay. The line has no `delivery`.',
  notification_tested:
    '`actor` sent a test notification; `detail` is what the receiver answered. The line has no `delivery`.',
}

/** Calls whose message is not a literal, by file. The page describes their messages elsewhere. */
export const UNWRITTEN: Readonly<Record<string, string>> = {
  'src/cli/serve.ts': 'warnings about settings',
  'src/cli/sandbox.ts': 'warnings about settings',
  'src/service/telemetry/log.ts': 'events of deliveries',
  'src/service/telemetry/observer.ts': 'floods',
}
