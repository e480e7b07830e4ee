import cookie from '@fastify/cookie'
import type { FastifyError, FastifyInstance } from 'fastify'
import { type AppError, isUnreachable } from '../service/lib/errors.ts'
import { addCourseNames } from './layout/course-names.ts'
import { addGuard } from './layout/guard.ts'
import { sendMessage } from './layout/layout.ts'
import { decoratePages } from './layout/pages.ts'
import { decorateRequests } from './layout/request.ts'
import { addStaticFiles } from './layout/static-files.ts'
import { addStatus } from './layout/status.ts'
import { TEXTS } from './layout/texts.ts'
import { addBulkCorrection } from './pages/changes/bulk-correct-pages.ts'
import { addBulkHandled } from './pages/changes/bulk-handled-page.ts'
import { addCorrection } from './pages/changes/correct-page.ts'
import { addForget } from './pages/changes/forget-page.ts'
import { addReplayPages } from './pages/changes/replay-pages.ts'
import { addTestSale } from './pages/changes/test-sale-page.ts'
import { addWithdrawal } from './pages/changes/withdraw-page.ts'
import { addChanges } from './pages/changes-page.ts'
import { addCourses } from './pages/courses-page.ts'
import { addDeliveries } from './pages/deliveries/deliveries-page.ts'
import { addDelivery } from './pages/deliveries/delivery-page.ts'
import { addOutdated } from './pages/deliveries/outdated-page.ts'
import { addPeople } from './pages/deliveries/people-page.ts'
import { addIncidents } from './pages/incidents-page.ts'
import { addOverview } from './pages/overview/overview-page.ts'
import { addSearch } from './pages/search.ts'
import { addSetup } from './pages/setup/setup-page.ts'
import { addEvents } from './pages/shop/events-page.ts'
import { addRefused } from './pages/shop/refused-page.ts'
import { addSignaturePage } from './pages/shop/signature-page.ts'
import { type ConsoleParts, type PageParts, pageParts } from './parts.ts'
import { createSessions } from './session/sessions.ts'
import { addSignInPages } from './session/sign-in-pages.ts'
import { CONSOLE_PATH } from './session/site.ts'

/** The signature checker accepts a body of 64 KiB, and a form may write each byte as three. */
const BODY_LIMIT = 256 * 1024

/** Adds the pages. The status of a signed-in operator is on all of them. */
const PAGES: readonly ((parts: PageParts) => void)[] = [
  addStaticFiles,
  addStatus,
  addCourseNames,
  addCourses,
  addSearch,
  addIncidents,
  addOverview,
  addDeliveries,
  addDelivery,
  addOutdated,
  addCorrection,
  addWithdrawal,
  addPeople,
  addForget,
  addTestSale,
  addReplayPages,
  addBulkCorrection,
  addBulkHandled,
  addEvents,
  addChanges,
  addRefused,
  addSignaturePage,
  addSetup,
]

/**
 * None of our cookies needs percent codes. To decode them takes 3 µs for each wrong code, and a stranger's header has room for
 * thousands.
 */
const asItIs = (value: string): string => value
const AS_IT_IS = { encode: asItIs, decode: asItIs }

/** Registers the operator's console, below /lernito/console. */
export function consoleRoutes(parts: ConsoleParts): void {
  const { app, signIn, publicUrl, onSignIn } = parts
  const sessions = createSessions({
    ...parts,
    db: parts.context.database.db,
    onEnded: ({ username, failure }) =>
      onSignIn(failure === null ? { kind: 'not_staff', username } : { kind: 'failed', reason: failure.message }),
  })

  app.addHook('onClose', () => signIn.close())
  app.register(
    async (scope) => {
      await scope.register(cookie, { parseOptions: AS_IT_IS })
      acceptFormsOnly(scope)
      decorateRequests({ scope, publicUrl })
      decoratePages(scope)
      addGuard({ scope, findSession: sessions.find })
      answerErrors(scope, parts)
      const page = pageParts(parts, scope)
      for (const add of PAGES) add(page)
      addSignInPages({ ...page, sessions })
    },
    { prefix: CONSOLE_PATH },
  )
}

function acceptFormsOnly(scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    route.bodyLimit = BODY_LIMIT
  })
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, body: string) => new URLSearchParams(body),
  )
}

const TO_OVERVIEW = { action: TEXTS.refusals.toOverview, link: '~/' }

function answerErrors(scope: FastifyInstance, { onError }: ConsoleParts): void {
  scope.setNotFoundHandler((_request, reply) =>
    sendMessage({ reply, status: 404, ...TEXTS.refusals.notFound, ...TO_OVERVIEW }),
  )
  scope.setErrorHandler<FastifyError | AppError>((error, _request, reply) => {
    // The log has its own line about the database, and anyone with a made up cookie can cause this.
    const isAway = isUnreachable(error)
    const status = isAway ? 503 : 'statusCode' in error ? (error.statusCode ?? 500) : 500
    if (status >= 500 && !isAway) onError(error)
    const { database, unexpected, request } = TEXTS.refusals
    const message = status === 503 ? database : status < 500 ? request : unexpected
    return sendMessage({ reply, status, ...message, ...TO_OVERVIEW })
  })
}
