import { hostname } from 'node:os'
import { type CircuitBreaker, createCircuitBreaker } from '../enroll/breakers/circuit-breaker.ts'
import { type CourseBreakers, createCourseBreakers } from '../enroll/breakers/course-breakers.ts'
import { type ModeOf, modesFrom } from '../enroll/course-mode.ts'
import { FOLLOW_UP_MS } from '../enroll/follow-up/follow-up.ts'
import type { CallContext } from '../enroll/pair.ts'
import { type Budget, createBudget } from '../lms/client/budget.ts'
import { createLms, type Lms } from '../lms/lms.ts'
import { NOTIFY_TIMING, type NotifyTiming } from '../operators/notify/notifier.ts'
import { readBacklog } from '../operators/reports/overview.ts'
import { type AppContext, openInbox } from '../queue/open-inbox.ts'
import { readOutboxBacklog } from '../queue/outbox/list-events.ts'
import { isShopEvent } from '../queue/outbox/outbox.ts'
import { TIMING, type Timing } from '../queue/replicas/timing.ts'
import { createShopAnswers, type ShopAnswers } from '../queue/shop-answers.ts'
import { createIds } from '../sale/ids.ts'
import type { DeliveryEvent } from '../sale/types.ts'
import { type Catalogue, createCatalogueReader } from '../shop/courses/catalogue.ts'
import { CATALOGUE_MS } from '../shop/courses/refresh.ts'
import { createSenders, type Senders } from '../shop/senders/senders.ts'
import { createWakeUp, type WakeUp } from './lib/loop.ts'
import type { Env, Settings } from './settings/settings.ts'
import type { Log } from './telemetry/log.ts'
import { addGauges, createMetrics, type Metrics } from './telemetry/metrics.ts'
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
  /** Of the notifications for operators. */
  readonly notifyTiming?: NotifyTiming | undefined
}

type Given = Omit<ServiceOptions, 'now' | 'random'>
/** The options, with the defaults of those that are not given. */
type OfOptions = { readonly [Name in keyof Given]-?: NonNullable<Given[Name]> }

/** The application context with what `service` itself wires: its signal is aborted when no new work may begin. */
export interface Parts extends AppContext, OfOptions {
  readonly metrics: Metrics
  readonly observer: Observer
  /** The client of the LMS that no circuit breaker watches. */
  readonly lms: Lms
  readonly breaker: CircuitBreaker
  readonly breakers: CourseBreakers
  readonly budget: Budget
  /** What an operator asks of the LMS: the circuit breaker watches these calls, and they take permits. */
  readonly calls: CallContext
  /** How many calls may be in flight at once: `most` is the upper limit, `now` the current limit. */
  readonly concurrency: { readonly most: number; readonly now: () => number }
  /** The course mode that LERNITO_COURSE_MODE names for a course. */
  readonly modeOf: ModeOf
  readonly senders: Senders
  readonly shopAnswers: ShopAnswers
  /** Woken when an event for the shop was stored. */
  readonly outboxWakeUp: WakeUp
  /** Woken when a refund was stored. */
  readonly withdrawalsWakeUp: WakeUp
  /** The secrets of the webhook, the current one first. */
  readonly secrets: readonly string[]
  /** The courses of the LMS, as they were last read. */
  readonly readCatalogue: () => Promise<Catalogue>
  /** Aborted when proxies should send nothing more. */
  readonly leaving: AbortController
  /** Aborted next: no new request is served, and no new work begins. */
  readonly stopping: AbortController
}

/** Creates the parts in their order: none refers to a later one. Opens the database; throws AppError of the database.* codes. */
export function createParts({
  settings,
  env = process.env,
  log,
  now: wall = Date.now,
  random = Math.random,
  timing = TIMING,
  followUpMs = FOLLOW_UP_MS,
  catalogueMs = CATALOGUE_MS,
  notifyTiming = NOTIFY_TIMING,
}: ServiceOptions): Parts {
  const [leaving, stopping] = [new AbortController(), new AbortController()]
  const [outboxWakeUp, withdrawalsWakeUp] = [createWakeUp(), createWakeUp()]
  const metrics = createMetrics()
  const observer = createObserver({ log, metrics, now: wall })
  const publish = (event: DeliveryEvent): void => {
    observer.onEvent(event)
    if (isShopEvent(event.kind) || event.kind === 'sent_again') outboxWakeUp.wake()
  }
  const newName = createIds({ now: wall })
  const shared = openInbox({
    url: settings.LERNITO_DATABASE_URL,
    ca: settings.LERNITO_DATABASE_CA_FILE,
    timing,
    newName: () => `${hostname().slice(0, 9)}-${newName()}`,
    now: wall,
    random,
    hasOutbox: settings.LERNITO_EVENTS_URL !== undefined,
    publish,
    onError: observer.onError,
    onAvailability: observer.onDatabase,
    onPruned: observer.onPruned,
    signal: stopping.signal,
  })
  const lms = createLmsParts({ settings, observer, shared })
  addGauges(metrics.registry, { ...shared, ...lms, backlog: backlogOf(shared) })
  return {
    ...shared,
    ...lms,
    settings,
    env,
    log,
    metrics,
    observer,
    senders: createSenders(shared),
    shopAnswers: createShopAnswers(shared),
    outboxWakeUp,
    withdrawalsWakeUp,
    secrets: webhookSecrets(settings),
    modeOf: modesFrom(settings.LERNITO_COURSE_MODE),
    timing,
    followUpMs,
    catalogueMs,
    readCatalogue: createCatalogueReader(shared.database.db),
    notifyTiming,
    leaving,
    stopping,
  }
}

/** Reads what waits, for the metrics. */
const backlogOf =
  ({ database: { db }, guard }: AppContext) =>
  () =>
    guard(async () => ({ ...(await readBacklog(db)), outbox: await readOutboxBacklog(db) }))

type LmsParts = Pick<Parts, 'lms' | 'breaker' | 'breakers' | 'budget' | 'calls' | 'concurrency'>

/** What calls the LMS, and what keeps calls from it. */
function createLmsParts({
  settings,
  observer,
  shared: { now, replicas, inbox, signal },
}: Pick<Parts, 'settings' | 'observer'> & { shared: AppContext }): LmsParts {
  const most = settings.LERNITO_LMS_CONCURRENCY
  // The LMS serves all replicas together, so each has its share of the concurrent calls, and at least one.
  const concurrency = { most, now: () => Math.max(1, Math.floor(most / replicas.liveCount())) }
  const { onCall } = observer
  const mayCall = replicas.lease.signal
  const lms = createLms({ settings, concurrency: concurrency.now, mayCall, now, onCall })
  const budget = createBudget({ callsPerMinute: settings.LERNITO_LMS_CALLS_PER_MINUTE, replicas, now })
  const breaker = createCircuitBreaker({ lms, inbox, budget, now, onChange: observer.onBreaker, signal })
  const breakers = createCourseBreakers({ now, onChange: observer.onCourse })
  const calls = { lms: breaker.lms, acquire: () => budget.acquire(signal) }
  return { lms, breaker, breakers, budget, calls, concurrency }
}

/** The current secret first. */
const webhookSecrets = (settings: Settings): string[] =>
  [settings.LERNITO_WEBHOOK_SECRET, settings.LERNITO_WEBHOOK_SECRET_PREVIOUS].filter((secret) => secret !== undefined)
