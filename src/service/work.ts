import { SESSION_MS } from '../console/session/sessions.ts'
import { enrolledRound, followUpRound, runFollowUp } from '../enroll/follow-up/follow-up.ts'
import { outcomesRound } from '../enroll/follow-up/outcomes.ts'
import { runWithdrawals } from '../enroll/withdraw/run-withdrawals.ts'
import { runWorker } from '../enroll/worker.ts'
import { runBulkReplays } from '../operators/changes/bulk-steps.ts'
import { runIncidents } from '../operators/incidents/incidents.ts'
import { NOTIFY_TIMING, runNotifier } from '../operators/notify/notifier.ts'
import { runRetention } from '../queue/retention.ts'
import { CATALOGUE_MS, runCatalogue } from '../shop/courses/refresh.ts'
import { runOutbox } from '../shop/events/run-outbox.ts'
import { runBackgroundLoop } from './lib/loop.ts'
import type { Parts } from './parts.ts'

/**
 * Those of the enrolled buyers who are due are looked up in every 16th of these rounds: every four hours, in which enough
 * become due for full calls.
 */
const ENROLLED_EVERY = 16
/** A process that is killed loses who sent something in this time, and what the shop was answered. */
const SENDERS_MS = 5_000
const ANSWERS_MS = 1_000

/**
 * The background work of the service: it enrolls, withdraws, follows up buyers, reads which courses the LMS has, sends
 * events to the shop, notifies operators, replays what they ordered, and deletes old deliveries. Works until the signal is
 * aborted and everything in flight is settled. The database must be up to date.
 */
export async function runWork(parts: Parts): Promise<void> {
  const { settings, observer } = parts
  const days = settings.LERNITO_RETENTION_DAYS
  await Promise.all([
    runWorker({ ...parts, options: { emailStudents: settings.LERNITO_EMAIL_STUDENTS, modeOf: parts.modeOf } }),
    runWithdrawals({ ...parts, ...parts.calls, wakeUp: parts.withdrawalsWakeUp }),
    followUp(parts, { makeRound: followUpRound, intervalMs: parts.followUpMs }),
    followUpEnrolled(parts),
    // With the client that the circuit breaker doesn't watch: the catalogue must not stop sales.
    runCatalogue({ ...parts, intervalMs: parts.catalogueMs ?? CATALOGUE_MS, onFailed: observer.onCatalogueFailed }),
    sendEvents(parts),
    notify(parts),
    runIncidents(parts),
    runBulkReplays(parts),
    runRetention({
      ...parts,
      days,
      sessionMs: SESSION_MS,
      everyMs: parts.retentionMs,
      onPurged: (deliveries) => observer.onPurged({ deliveries, days }),
    }),
    flushEvery(SENDERS_MS, parts.senders, parts),
    flushEvery(ANSWERS_MS, parts.shopAnswers, parts),
  ])
}

/** Stores what is kept in memory, again and again. The stop of the service stores the rest. */
const flushEvery = (ms: number, { flush }: { flush: () => Promise<void> }, parts: Parts): Promise<void> =>
  runBackgroundLoop({ ...parts, round: () => flush().then(() => ms), againMs: ms })

/** Follows up those who are enrolled: whether they still are, and if the shop wants it, what they have achieved. */
async function followUpEnrolled(parts: Parts): Promise<void> {
  const { lmsUrl, followUpMs } = parts
  const { LERNITO_OUTCOMES: outcomes } = parts.settings
  const intervalMs = ENROLLED_EVERY * followUpMs
  const told = { tellsPercent: outcomes === 'grades', lmsUrl }
  await Promise.all([
    followUp(parts, { intervalMs, makeRound: enrolledRound }),
    outcomes === 'off' ? null : followUp(parts, { intervalMs, makeRound: (of) => outcomesRound({ ...of, ...told }) }),
  ])
}

/** With the client that the circuit breaker doesn't watch: a failure of these calls must not stop sales. */
const followUp = (
  parts: Parts,
  rounds: Pick<Parameters<typeof runFollowUp>[0], 'makeRound' | 'intervalMs'>,
): Promise<void> => runFollowUp({ ...parts, ...rounds, onRound: parts.observer.onFollowUp })

/** Sends events to the shop, if LERNITO_EVENTS_URL is set. */
async function sendEvents(parts: Parts): Promise<void> {
  const { LERNITO_EVENTS_URL: url, LERNITO_EVENTS_SECRET: secret } = parts.settings
  if (url === undefined || secret === undefined) return
  await runOutbox({ ...parts, url, secret, wakeUp: parts.outboxWakeUp, onSent: parts.observer.onEventSent })
}

/** Sends notifications to operators, if LERNITO_NOTIFY_URL is set. */
async function notify(parts: Parts): Promise<void> {
  const { post, replicas, breaker, observer } = parts
  if (post === null) return
  await runNotifier({
    ...parts,
    post,
    isLeader: replicas.isLeader,
    isLmsBack: breaker.probe,
    onNotified: observer.onNotified,
    timing: parts.notifyTiming ?? NOTIFY_TIMING,
    clock: () => performance.now(),
  })
}
