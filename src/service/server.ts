import type { FastifyInstance } from 'fastify'
import openApi from '../../docs/reference/openapi.json' with { type: 'json' }
import { readOutboxHealth } from '../operators/reports/outbox.ts'
import { readBacklog } from '../operators/reports/overview.ts'
import { COURSES_PATH, coursesRoute } from '../shop/courses/route.ts'
import { REFUND_PATH, refundRoute } from '../shop/refund/route.ts'
import type { OfShop } from '../shop/signature/signed-routes.ts'
import { STATUS_PATH, statusRoute } from '../shop/status/route.ts'
import { BODY_LIMIT, WEBHOOK_PATHS, webhookRoutes } from '../shop/webhook/route.ts'
import { createApp } from './http/app.ts'
import { shedLoad } from './http/load-shedding.ts'
import type { Parts } from './parts.ts'
import { addGauges } from './telemetry/metrics.ts'

/** The same bytes for everyone: a text for each answer would stay in memory until its client has taken it. */
const OPEN_API = Buffer.from(JSON.stringify(openApi))

/** The HTTP server with every route except the console's; it doesn't listen yet. */
export function buildServer(parts: Parts): FastifyInstance {
  const { settings, log, observer, leaving, stopping } = parts
  const app = createApp({
    log,
    bodyLimit: BODY_LIMIT,
    trustedProxies: settings.LERNITO_TRUSTED_PROXIES,
    leaving: leaving.signal,
    stopping: stopping.signal,
    onRefused: observer.onRequestRefused,
  })
  everyMinute(app, observer.endMinute)
  shedLoad({
    app,
    paths: [...WEBHOOK_PATHS, STATUS_PATH, COURSES_PATH, REFUND_PATH],
    onBegin: observer.onBusy,
    onEnd: observer.onCalm,
  })
  healthRoutes(app, parts)
  app.get('/lernito/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(OPEN_API))
  metricsRoute(app, parts)
  shopRoutes(app, parts)
  return app
}

/**
 * Adds /healthz, whether the process is alive, and /readyz, whether it can accept webhooks: 503 with the reason if not.
 * After `leaving` is aborted, both answer 503, so that a proxy sends no more requests.
 */
function healthRoutes(app: FastifyInstance, { leaving: { signal: leaving }, databaseReason }: Parts): void {
  app.get('/healthz', async (_request, reply) => {
    if (!leaving.aborted) return { status: 'alive' }
    return reply.code(503).send({ status: 'stopping' })
  })
  app.get('/readyz', async (_request, reply) => {
    const problem = leaving.aborted ? 'the service is stopping' : databaseReason()
    if (problem === null) return { status: 'ready' }
    return reply.code(503).send({ status: 'not ready', reason: problem })
  })
}

/** Adds /metrics, with the gauges of the current state. */
function metricsRoute(app: FastifyInstance, parts: Parts): void {
  const { guard, database, metrics } = parts
  const { db } = database
  const backlog = () => guard(async () => ({ ...(await readBacklog(db)), outbox: await readOutboxHealth(db) }))
  addGauges(metrics.registry, { ...parts, backlog })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
}

/** The routes for the shop. Each of its requests, refused or signed, is counted by its sender. */
function shopRoutes(app: FastifyInstance, parts: Parts): void {
  const { settings, senders, observer } = parts
  const ofShop: Parts & OfShop = {
    ...parts,
    app,
    replica: parts.replicas.me,
    onRefused: (refused) => {
      senders.count({ ip: refused.ip, result: refused.code })
      observer.onRefused(refused)
    },
    onSigned: ({ ip, isPrevious }) => {
      if (isPrevious) observer.onPreviousSecret()
      senders.count({ ip, result: isPrevious ? 'signed_previous' : 'signed' })
    },
    onGiven: parts.shopAnswers.note,
  }
  const answerWithinMs = settings.LERNITO_ANSWER_WITHIN_MS
  webhookRoutes({
    ...ofShop,
    answerWithinMs,
    onRefundId: observer.onRefundId,
    onAnswer: observer.onAnswer,
  })
  statusRoute(ofShop)
  coursesRoute(ofShop)
  if (settings.LERNITO_REFUNDS) {
    const { onRefundAnswer: onAnswer, onRefund } = observer
    refundRoute({ ...ofShop, answerWithinMs, onAnswer, onRefund })
  }
}

const MINUTE_MS = 60_000

/** Calls `report` once a minute while the app runs, and once more when it closes. */
function everyMinute(app: FastifyInstance, report: () => void): void {
  const timer = setInterval(report, MINUTE_MS).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    report()
  })
}
