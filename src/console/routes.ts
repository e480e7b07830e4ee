import cookie from '@fastify/cookie'
import type { FastifyError, FastifyInstance } from 'fastify'
import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { CheckedNow } from '../enroll/follow-up/check-now.ts'
import type { SignIn } from '../lms/sign-in.ts'
import type { Operations } from '../operators/changes/operations.ts'
import type { TestNotification } from '../operators/notify/post-text.ts'
import type { BacklogCounts } from '../operators/reports/counts.ts'
import { AppError, type ErrorCode } from '../service/lib/errors.ts'
import type { ShopEvents } from '../shop/events/shop-events.ts'
import type { SendersView } from '../shop/senders/view.ts'
import { addGuard } from './layout/guard.ts'
import { messagePage, sendPage } from './layout/layout.ts'
import type { LiveState } from './layout/live-state.ts'
import type { LmsCalls } from './layout/lms-calls.ts'
import { addStaticFiles } from './layout/static-files.ts'
import { addStatus } from './layout/status.ts'
import { TEXTS } from './layout/texts.ts'
import { addCorrection } from './pages/changes/correct-page.ts'
import { addForget, type ForgetAnswer, type ForgetOrder } from './pages/changes/person-forget-page.ts'
import { addReplayPages } from './pages/changes/replay-pages.ts'
import { addTestSale } from './pages/changes/test-sale-page.ts'
import { addWithdrawal } from './pages/changes/withdraw-page.ts'
import { addChanges } from './pages/changes-page.ts'
import { addDeliveries } from './pages/deliveries/deliveries-page.ts'
import { addDelivery } from './pages/deliveries/delivery-page.ts'
import { addPeople } from './pages/deliveries/people-page.ts'
import { addIncidents, type IncidentReports } from './pages/incidents-page.ts'
import { addOverview } from './pages/overview/overview-page.ts'
import { addSetup, type Setup } from './pages/setup/setup-page.ts'
import { addTestNotification } from './pages/setup/test-notification.ts'
import { addEvents } from './pages/shop/events-page.ts'
import { addRefused } from './pages/shop/refused-page.ts'
import { addSignaturePage } from './pages/shop/signature-page.ts'
import { createSessions, type Sessions } from './session/sessions.ts'
import { addSignInPages, type SignInEvent } from './session/sign-in-pages.ts'
import { CONSOLE_PATH, type Site, siteOf } from './session/site.ts'

/** The signature checker accepts a body of 64 KiB, and a form may write each byte as three. */
const BODY_LIMIT = 256 * 1024

const STATUSES: Partial<Record<ErrorCode, number>> = { 'database.unreachable': 503, 'query.invalid': 400 }

export interface ConsoleParts {
  readonly app: FastifyInstance
  readonly db: Kysely<Tables>
  readonly operations: Operations
  /** null: LERNITO_EVENTS_URL is not set. */
  readonly shopEvents: ShopEvents | null
  /** The deliveries in the states that need the service, the buyer or an operator. */
  readonly readCounts: () => Promise<BacklogCounts>
  /** null: LERNITO_NOTIFY_URL is not set. */
  readonly testNotification: TestNotification | null
  readonly incidents: IncidentReports
  readonly liveState: LiveState
  readonly lms: LmsCalls
  /** Looks up what the LMS has for these deliveries now, and stores it; see src/enroll/follow-up/check-now.ts. */
  readonly checkNow: (order: { ids: readonly string[]; by: string }) => Promise<CheckedNow[]>
  /** From the start of a round of the follow-up to the next one, ms. */
  readonly followUpMs: number
  /** Erases a person; see src/service/forget.ts. */
  readonly forget: (order: ForgetOrder) => Promise<ForgetAnswer>
  /** Who sent webhooks lately, and what was refused. */
  readonly readSenders: () => Promise<SendersView>
  readonly setup: Setup
  readonly signIn: SignIn
  /** LERNITO_PUBLIC_URL, or the service's own address once it listens. */
  readonly publicUrl: () => string
  /** LERNITO_LMS_PUBLIC_URL. */
  readonly lmsUrl: string
  /** LERNITO_CONSOLE_CLIENT_ID. */
  readonly clientId: string
  /** LERNITO_CONSOLE_CLIENT_SECRET. */
  readonly clientSecret: string
  /** The secrets of the webhook, the current one first. */
  readonly secrets: readonly string[]
  /** In ms since 1970. */
  readonly now: () => number
  /** Runs work that needs the database; throws AppError database.unreachable at once while the database is unavailable. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>
  readonly onSignIn: (event: SignInEvent) => void
  /** Called with an error that is this service's own fault. */
  readonly onError: (error: unknown) => void
}

/** Registers the operator's console, below /lernito/console. */
export function consoleRoutes(parts: ConsoleParts): void {
  const { app, signIn, publicUrl, guard } = parts
  const site = () => siteOf(publicUrl())
  const sessions = sessionsOf(parts)

  app.addHook('onClose', () => signIn.close())
  app.register(
    async (scope) => {
      await scope.register(cookie)
      acceptFormsOnly(scope)
      addGuard({ scope, site, findSession: (token) => guard(() => sessions.find(token)) })
      answerErrors(scope, site, parts)
      addPages(scope, site, sessions, parts)
    },
    { prefix: CONSOLE_PATH },
  )
}

function sessionsOf({ db, signIn, now, onSignIn }: ConsoleParts): Sessions {
  return createSessions({
    db,
    signIn,
    now,
    onEnded: ({ username, failure }) =>
      onSignIn(failure === null ? { kind: 'not_staff', username } : { kind: 'failed', reason: failure.message }),
  })
}

function acceptFormsOnly(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: BODY_LIMIT },
    async (_request: unknown, body: string) => new URLSearchParams(body),
  )
}

function answerErrors(scope: FastifyInstance, site: () => Site, { onError }: ConsoleParts): void {
  scope.setNotFoundHandler((request, reply) => {
    const main = messagePage({ ...TEXTS.refusals.notFound, link: `${site().base}/` })
    const { title } = TEXTS.refusals.notFound
    return sendPage({ reply, site: site(), session: request.session, status: 404, title, main })
  })
  scope.setErrorHandler<FastifyError | AppError>((error, { session }, reply) => {
    const status = error instanceof AppError ? (STATUSES[error.code] ?? 500) : (error.statusCode ?? 500)
    if (status >= 500) onError(error)
    const { database, unexpected, request: invalid } = TEXTS.refusals
    const message = status === 503 ? database : status < 500 ? invalid : unexpected
    const main = messagePage({ ...message, link: `${site().base}/` })
    return sendPage({ reply, site: site(), session, status, title: message.title, main })
  })
}

function addPages(scope: FastifyInstance, site: () => Site, sessions: Sessions, parts: ConsoleParts): void {
  const { operations, liveState, lms, checkNow, forget, readSenders, lmsUrl, secrets, now } = parts
  addStaticFiles({ scope })
  addStatus({ scope, site, readCounts: parts.readCounts, liveState, now })
  const canNotify = parts.testNotification !== null
  addIncidents({ scope, site, incidents: parts.incidents, now })
  addOverview({ scope, site, operations, incidents: parts.incidents, liveState, lms, readSenders, now })
  addTestNotification({ scope, site, testNotification: parts.testNotification })
  addDeliveries({ scope, site, operations, breaker: liveState.breaker, now })
  addDelivery({
    scope,
    site,
    operations,
    checkNow,
    lmsUrl,
    breaker: liveState.breaker,
    followUpMs: parts.followUpMs,
    tellsShop: parts.shopEvents !== null,
    now,
  })
  addCorrection({ scope, site, operations, lms })
  addWithdrawal({ scope, site, operations, lms, lmsUrl })
  addPeople({ scope, site, operations, lms, checkNow, lmsUrl })
  addForget({ scope, site, operations, forget })
  addTestSale({ scope, site, operations })
  addReplayPages({ scope, site, operations, breaker: liveState.breaker, now })
  addEvents({ scope, site, shopEvents: parts.shopEvents })
  addChanges({ scope, site, operations })
  addRefused({ scope, site, readSenders })
  addSignaturePage({ scope, site, secrets, now })
  addSetup({ scope, site, setup: parts.setup, readSenders, operations, canNotify, lmsUrl })
  addSignInPages({ ...parts, scope, site, sessions, breaker: liveState.breaker })
}
