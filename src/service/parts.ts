import { hostname } from 'node:os'
import { consoleUrl, siteOf } from '../console/session/site.ts'
import { isOpen } from '../enroll/breakers/breaker-state.ts'
import { createCircuitBreaker } from '../enroll/breakers/circuit-breaker.ts'
import { createCourseBreakers } from '../enroll/breakers/course-breakers.ts'
import { modesFrom } from '../enroll/course-mode.ts'
import { FOLLOW_UP_MS } from '../enroll/follow-up/follow-up.ts'
import { createBudget } from '../lms/client/budget.ts'
import { createLms } from '../lms/lms.ts'
import { createIncidentWatch } from '../operators/incidents/incidents.ts'
import type { NotifyTiming } from '../operators/notify/notifier.ts'
import { createTextPoster } from '../operators/notify/post-text.ts'
import { type AppContext, openInbox } from '../queue/open-inbox.ts'
import { isShopEvent } from '../queue/outbox/outbox.ts'
import { TIMING, type Timing } from '../queue/replicas/timing.ts'
import { createShopAnswers } from '../queue/shop-answers.ts'
import { createIds } from '../sale/ids.ts'
import { createCatalogueReader } from '../shop/courses/catalogue.ts'
import { createSenders } from '../shop/senders/senders.ts'
import { createWakeUp } from './lib/loop.ts'
import type { Env, Settings } from './settings/settings.ts'
import type { Log } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { createObserver, type Observer } from './telemetry/observer.ts'

export interface ServiceOptions {
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
  /** The age at which the catalogue of courses is read anew, ms. */
  readonly catalogueMs?: number | undefined
  /** From the start to the first round of the retention, and from each to the next, ms. */
  readonly retentionMs?: number | undefined
  /** Of the notifications for operators. */
  readonly notifyTiming?: NotifyTiming | undefined
}

/**
 * Creates the parts in their order: none refers to a later one. They are the application context, whose signal is aborted
 * when no new work may begin, with what `service` itself wires. Opens the database; throws AppError of the database.* codes.
 */
export function createParts({
  settings,
  env = process.env,
  log,
  now = Date.now,
  random = Math.random,
  timing = TIMING,
  followUpMs = FOLLOW_UP_MS,
  ...intervals
}: ServiceOptions) {
  const [leaving, stopping] = [new AbortController(), new AbortController()]
  const [outboxWakeUp, withdrawalsWakeUp] = [createWakeUp(), createWakeUp()]
  const metrics = createMetrics()
  const observer = createObserver({ log, metrics })
  const newName = createIds({ now })
  const shared = openInbox({
    url: settings.LERNITO_DATABASE_URL,
    ca: settings.LERNITO_DATABASE_CA_FILE,
    timing,
    newName: () => `${hostname().slice(0, 9)}-${newName()}`,
    now,
    random,
    hasOutbox: settings.LERNITO_EVENTS_URL !== undefined,
    publish: (event) => {
      observer.onEvent(event)
      if (isShopEvent(event.kind) || event.kind === 'sent_again') outboxWakeUp.wake()
    },
    onError: observer.onError,
    onAvailability: observer.onDatabase,
    onPruned: observer.onPruned,
    signal: stopping.signal,
  })
  return {
    ...shared,
    ...createLmsParts({ settings, observer, shared }),
    settings,
    env,
    log,
    metrics,
    observer,
    senders: createSenders(shared),
    shopAnswers: createShopAnswers(shared),
    /** Woken when an event for the shop was stored. */
    outboxWakeUp,
    /** Woken when a refund was stored. */
    withdrawalsWakeUp,
    timing,
    followUpMs,
    ...intervals,
    /** The courses of the LMS, as they were last read. */
    readCatalogue: createCatalogueReader(shared.database.db),
    ...readOnce(settings),
    /** Aborted when proxies should send nothing more. */
    leaving,
    /** Aborted next: no new request is served, and no new work begins. */
    stopping,
  }
}
export type Parts = ReturnType<typeof createParts>

/** What several parts need of the settings. */
function readOnce(settings: Settings) {
  const { LERNITO_WEBHOOK_SECRET: current, LERNITO_WEBHOOK_SECRET_PREVIOUS: previous } = settings
  const { LERNITO_CONSOLE_CLIENT_ID: id, LERNITO_CONSOLE_CLIENT_SECRET: secret } = settings
  const { LERNITO_PUBLIC_URL: url, LERNITO_NOTIFY_URL: notifyUrl } = settings
  const hasConsole = url !== undefined && id !== undefined && secret !== undefined
  return {
    /** The secrets of the webhook, the current one first. */
    secrets: [current, previous].filter((one) => one !== undefined),
    /** The address of the LMS for browsers. */
    lmsUrl: settings.LERNITO_LMS_PUBLIC_URL ?? settings.LERNITO_LMS_URL,
    /** The course mode that LERNITO_COURSE_MODE names for a course. */
    modeOf: modesFrom(settings.LERNITO_COURSE_MODE),
    /** The address of the console for links; null if it is off, or operators reach it only on this machine. */
    console: hasConsole ? consoleUrl(siteOf(url)) : null,
    /** Sends a text to operators; null: LERNITO_NOTIFY_URL is not set. */
    post: notifyUrl === undefined ? null : createTextPoster({ url: notifyUrl }),
  }
}

/** What calls the LMS, and what keeps calls from it. */
function createLmsParts(of: { settings: Settings; observer: Observer; shared: AppContext }) {
  const { settings, observer, shared } = of
  const { now, replicas, inbox, signal } = shared
  const most = settings.LERNITO_LMS_CONCURRENCY
  // The LMS serves all replicas together, so each has its share of the concurrent calls, and at least one.
  const concurrency = { most, now: () => Math.max(1, Math.floor(most / replicas.liveCount())) }
  const { onCall } = observer
  const mayCall = replicas.lease.signal
  const lms = createLms({ settings, concurrency: concurrency.now, mayCall, now, onCall })
  const budget = createBudget({ callsPerMinute: settings.LERNITO_LMS_CALLS_PER_MINUTE, replicas })
  const breaker = createCircuitBreaker({ lms, inbox, budget, now, onChange: observer.onBreaker, signal })
  return {
    /** The client of the LMS that no circuit breaker watches. */
    lms,
    breaker,
    incidents: createIncidentWatch({
      context: shared.context,
      lms: () => {
        const state = breaker.state()
        return isOpen(state) ? { kind: state.kind, cause: state.failure.message, since: state.since } : null
      },
      database: shared.databaseReason,
    }),
    isLmsUnavailable: () => isOpen(breaker.state()),
    breakers: createCourseBreakers({ now, onChange: observer.onCourse }),
    budget,
    /** What an operator asks of the LMS: the circuit breaker watches these calls, and they take permits. */
    calls: { lms: breaker.lms, acquire: () => budget.acquire(signal) },
    /** How many calls may be in flight at once: `most` is the upper limit, `now` the current limit. */
    concurrency,
  }
}
