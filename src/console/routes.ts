import cookie from '@fastify/cookie'
import type { FastifyError, FastifyInstance } from 'fastify'
import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { SignIn } from '../openedx/sign-in.ts'
import type { Operations } from '../operations/operations.ts'
import { addChanges } from './changes-page.ts'
import { addDeliveries } from './deliveries-page.ts'
import { addDelivery } from './delivery-page.ts'
import { addGuard } from './guard.ts'
import { messagePage, sendPage } from './layout.ts'
import type { Live } from './live.ts'
import { addOverview } from './overview-page.ts'
import { addRefused, type Refuser } from './refused-page.ts'
import { addReplayPages } from './replay-pages.ts'
import { createSessions } from './sessions.ts'
import { addSignInPages, type Visit } from './sign-in-pages.ts'
import { addSignaturePage } from './signature-page.ts'
import { CONSOLE_PATH, siteOf } from './site.ts'
import { addStaticFiles } from './static-files.ts'
import { TEXTS } from './texts.ts'

/** The signature checker takes a body of 64 KiB, in which each byte may be written as three. */
const BODY_LIMIT = 256 * 1024

const STATUSES: Partial<Record<ErrorCode, number>> = { 'database.unreachable': 503, 'query.invalid': 400 }

export interface ConsoleParts {
  readonly app: FastifyInstance
  readonly db: Kysely<Tables>
  readonly operations: Operations
  readonly live: Live
  readonly refusers: (count: number) => readonly Refuser[]
  readonly signIn: SignIn
  /** LERNITO_PUBLIC_URL, or the service's own address once it listens. */
  readonly publicUrl: () => string
  /** LERNITO_LMS_PUBLIC_URL. */
  readonly lmsUrl: string
  /** LERNITO_CONSOLE_CLIENT_SECRET. */
  readonly clientSecret: string
  /** Of the webhooks, the current one first. */
  readonly secrets: readonly string[]
  readonly now: () => number
  /** Does work of the database; throws AppError database.unreachable at once while that is away. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>
  readonly onVisit: (visit: Visit) => void
  /** Told of an error that is this service's own fault. */
  readonly onError: (error: unknown) => void
}

/** The operator's console, below /lernito/console. */
export function consoleRoutes(parts: ConsoleParts): void {
  const { app, db, operations, live, refusers, signIn, publicUrl, lmsUrl, clientSecret, secrets, now, guard } = parts
  const { onVisit, onError } = parts
  const site = () => siteOf(publicUrl())
  const sessions = createSessions({
    db,
    signIn,
    now,
    onEnded: ({ username, failure }) =>
      onVisit(failure === null ? { kind: 'not_staff', username } : { kind: 'failed', reason: failure.message }),
  })

  app.addHook('onClose', () => signIn.close())
  app.register(
    async (scope) => {
      await scope.register(cookie)
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser(
        'application/x-www-form-urlencoded',
        { parseAs: 'string', bodyLimit: BODY_LIMIT },
        async (_request: unknown, body: string) => new URLSearchParams(body),
      )
      addGuard({ scope, site, findSession: (token) => guard(() => sessions.find(token)) })

      scope.setNotFoundHandler((request, reply) => {
        const main = messagePage({ ...TEXTS.refusals.notFound, link: `${site().base}/` })
        const { title } = TEXTS.refusals.notFound
        return sendPage({ reply, site: site(), session: request.session, status: 404, title, main })
      })
      scope.setErrorHandler<FastifyError | AppError>((error, { session }, reply) => {
        const status = error instanceof AppError ? (STATUSES[error.code] ?? 500) : (error.statusCode ?? 500)
        if (status >= 500) onError(error)
        const { database, unexpected, request: wrong } = TEXTS.refusals
        const said = status === 503 ? database : status < 500 ? wrong : unexpected
        const main = messagePage({ ...said, link: `${site().base}/` })
        return sendPage({ reply, site: site(), session, status, title: said.title, main })
      })

      addStaticFiles({ scope })
      addOverview({ scope, site, operations, live, refusers, now })
      addDeliveries({ scope, site, operations, now })
      addDelivery({ scope, site, operations, lmsUrl })
      addReplayPages({ scope, site, operations })
      addChanges({ scope, site, operations })
      addRefused({ scope, site, refusers })
      addSignaturePage({ scope, site, secrets })
      addSignInPages({ scope, site, signIn, sessions, lmsUrl, clientSecret, now, onVisit })
    },
    { prefix: CONSOLE_PATH },
  )
}
