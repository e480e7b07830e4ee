import { hostname } from 'node:os'
import { FOLLOW_UP_MS } from '../enroll/follow-up/follow-up.ts'
import { NOTIFY_TIMING, type NotifyTiming } from '../operators/notify/notifier.ts'
import { openInbox } from '../queue/open-inbox.ts'
import { TIMING, type Timing } from '../queue/replicas/timing.ts'
import { LONGEST_WAIT_MS } from '../queue/retry-schedule.ts'
import { createShopAnswers } from '../queue/shop-answers.ts'
import { createIds } from '../sale/ids.ts'
import { createSenders } from '../shop/senders/senders.ts'
import type { Env } from './checks.ts'
import { mountConsole } from './console.ts'
import { createWakeUp } from './lib/wake-up.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLmsClient } from './lms.ts'
import { hasOutbox, wakingOutbox } from './outbox.ts'
import { createRefundOf } from './refunds.ts'
import { createReporting } from './reporting.ts'
import { buildServer } from './server.ts'
import type { Settings } from './settings/settings.ts'
import { createStatusOf } from './status.ts'
import type { Log } from './telemetry/log.ts'
import type { Observer } from './telemetry/observer.ts'
import { createWork } from './work.ts'

interface ServiceParts {
  readonly settings: Settings
  /** The environment variables that the settings were read from; the console's checks read them again. */
  readonly env?: Env | undefined
  readonly log: Log
  /** This machine's clock, ms since 1970. */
  readonly now?: () => number
  readonly random?: () => number
  /** Of the heartbeat between replicas. */
  readonly timing?: Timing | undefined
  /** From the start of a round of the follow-up to the next one, ms. */
  readonly followUpMs?: number | undefined
  /** Of the notifications for operators. */
  readonly notifyTiming?: NotifyTiming | undefined
}

/**
 * Wires the parts by hand. Opens the database, and listens to nothing before `start`. Throws AppError of the
 * database.* codes.
 */
export function buildService({
  settings,
  env = process.env,
  log,
  now = Date.now,
  random = Math.random,
  timing = TIMING,
  followUpMs = FOLLOW_UP_MS,
  notifyTiming = NOTIFY_TIMING,
}: ServiceParts) {
  const leaving = new AbortController()
  const stopping = new AbortController()
  const [outboxWakeUp, withdrawalsWakeUp] = [createWakeUp(), createWakeUp()]
  const { metrics, outages, ...reporting } = createReporting({ settings, log, now, sources: () => ({ opened, work }) })
  const observer = wakingOutbox(reporting.observer, outboxWakeUp)
  const opened = openServiceInbox({ settings, now, random, timing, observer })
  const concurrency = concurrencyOf({ settings, liveCount: opened.replicas.liveCount })
  const lms = createLmsClient({
    settings,
    concurrency: concurrency.now,
    mayCall: opened.lease.signal,
    now: opened.now,
    onCall: observer.onCall,
  })
  const lazy = createLazy(opened)
  const work = createWork({
    settings,
    opened,
    ...lazy,
    lms,
    concurrency,
    observer,
    outboxWakeUp,
    withdrawalsWakeUp,
    random,
    followUpMs,
    outages,
    notifyTiming,
    signal: stopping.signal,
  })
  const secrets = webhookSecrets(settings)
  const app = buildServer({
    settings,
    log,
    now: opened.now,
    inbox: opened.inbox,
    statusOf: createStatusOf(opened),
    refundOf: refundsFor({ settings, opened, observer, wakeUp: withdrawalsWakeUp }),
    secrets,
    replica: opened.replicas.me,
    ...lazy,
    metrics,
    observer,
    databaseReason: opened.availability.reason,
    leaving: leaving.signal,
    stopping: stopping.signal,
  })
  mountConsole({ settings, log, app, opened, work, observer, ...lazy, secrets, env, followUpMs })
  return { app, ...createLifecycle({ settings, log, app, opened, timing, lms, work, ...lazy, leaving, stopping }) }
}
export type Service = ReturnType<typeof buildService>

/** What is noted about webhooks in memory, and stored seconds later. */
function createLazy({ context, availability: { guard } }: ReturnType<typeof openInbox>) {
  return { senders: createSenders({ context, guard }), shopAnswers: createShopAnswers({ context, guard }) }
}

const refundsFor = ({ settings, ...of }: { settings: Settings } & Parameters<typeof createRefundOf>[0]) =>
  settings.LERNITO_REFUNDS ? createRefundOf(of) : null

function openServiceInbox({
  settings,
  now,
  random,
  timing,
  observer,
}: Required<Pick<ServiceParts, 'settings' | 'now' | 'random' | 'timing'>> & { observer: Observer }) {
  const newName = createIds({ now })
  return openInbox({
    url: settings.LERNITO_DATABASE_URL,
    ca: settings.LERNITO_DATABASE_CA_FILE,
    ...(timing === undefined ? {} : { timing }),
    newName: () => `${hostname().slice(0, 9)}-${newName()}`,
    now,
    longestWaitMs: LONGEST_WAIT_MS,
    random,
    hasOutbox: hasOutbox(settings),
    publish: observer.onEvent,
    onError: observer.onError,
    onAvailability: observer.onDatabase,
    onReleased: observer.onReleased,
  })
}

/** The LMS serves all replicas together, so each replica has its share of the concurrent calls, and at least one. */
function concurrencyOf({ settings, liveCount }: { settings: Settings; liveCount: () => number }) {
  const most = settings.LERNITO_LMS_CONCURRENCY
  return { most, now: () => Math.max(1, Math.floor(most / liveCount())) }
}

/** The current secret first. */
const webhookSecrets = (settings: Settings): string[] =>
  [settings.LERNITO_WEBHOOK_SECRET, settings.LERNITO_WEBHOOK_SECRET_PREVIOUS].filter((secret) => secret !== undefined)
