import type { FastifyInstance } from 'fastify'
import openApi from '../../docs/reference/openapi.json' with { type: 'json' }
import type { ShopAnswers } from '../queue/shop-answers.ts'
import type { Inbox } from '../queue/types.ts'
import { REFUND_PATH, type RefundOf, refundRoute } from '../shop/refund/route.ts'
import type { Senders } from '../shop/senders/senders.ts'
import { createTally, type Flood, type Tally } from '../shop/senders/tally.ts'
import type { OfShop } from '../shop/signature/signed-routes.ts'
import { STATUS_PATH, type StatusOf, statusRoute } from '../shop/status/route.ts'
import { BODY_LIMIT, WEBHOOK_PATHS, webhookRoutes } from '../shop/webhook/route.ts'
import { createApp } from './http/app.ts'
import { shedLoad } from './http/load-shedding.ts'
import type { Settings } from './settings/settings.ts'
import { healthRoutes } from './telemetry/health.ts'
import type { Log } from './telemetry/log.ts'
import { type Metrics, metricsRoute } from './telemetry/metrics.ts'
import type { Observer } from './telemetry/observer.ts'

interface ServerParts {
  readonly settings: Settings
  readonly log: Log
  readonly now: () => number
  readonly inbox: Pick<Inbox, 'submit'>
  readonly statusOf: StatusOf
  /** null: there are no refunds. */
  readonly refundOf: RefundOf | null
  /** The secrets of the webhook, the current one first. */
  readonly secrets: readonly string[]
  /** This replica's name in the database. */
  readonly replica: () => string
  readonly senders: Pick<Senders, 'refused' | 'signed' | 'reusedId' | 'endMinute'>
  readonly shopAnswers: Pick<ShopAnswers, 'note'>
  readonly metrics: Metrics
  readonly observer: Observer
  /** Why the database can't accept a webhook now; null if it can. */
  readonly databaseReason: () => string | null
  /** Aborted when proxies should send nothing more. */
  readonly leaving: AbortSignal
  /** Aborted when the service serves no new request. */
  readonly stopping: AbortSignal
}

/** The HTTP server with every route except the console's; it doesn't listen yet. */
export function buildServer({
  settings,
  log,
  now,
  inbox,
  statusOf,
  refundOf,
  secrets,
  replica,
  senders,
  shopAnswers,
  metrics,
  observer,
  databaseReason,
  leaving,
  stopping,
}: ServerParts): FastifyInstance {
  const requests = createTally({ of: 'requests' })
  const app = createApp({
    log,
    bodyLimit: BODY_LIMIT,
    trustedProxies: settings.LERNITO_TRUSTED_PROXIES,
    stopping,
    onRefused: (refused) => observer.onRequestRefused(refused, requests.refuse(refused)),
  })
  reportFloods({ app, tallies: [requests, senders], onFlood: observer.onFlood })
  shedLoad({
    app,
    paths: [...WEBHOOK_PATHS, STATUS_PATH, REFUND_PATH],
    bodyLimit: BODY_LIMIT,
    onBegin: observer.onBusy,
    onEnd: observer.onCalm,
  })
  healthRoutes({ app, leaving, ready: async () => databaseReason() })
  app.get('/lernito/openapi.json', () => openApi)
  metricsRoute({ app, metrics })
  const ofShop: OfShop = {
    app,
    secrets,
    replica,
    now,
    ...countWebhooks({ senders, observer }),
    onGiven: shopAnswers.note,
  }
  const answerWithinMs = settings.LERNITO_ANSWER_WITHIN_MS
  webhookRoutes({
    ...ofShop,
    inbox,
    answerWithinMs,
    onRefundId: observer.onRefundId,
    onReusedId: senders.reusedId,
    onAnswer: metrics.onAnswer,
  })
  statusRoute({ ...ofShop, statusOf })
  if (refundOf !== null) {
    refundRoute({ ...ofShop, refundOf, answerWithinMs, onAnswer: metrics.onRefundAnswer, onRefund: observer.onRefund })
  }
  return app
}

/** Counts each request of the shop, refused or signed, by its sender. */
const countWebhooks = ({
  senders,
  observer,
}: Pick<ServerParts, 'senders' | 'observer'>): Pick<OfShop, 'onRefused' | 'onSigned'> => ({
  onRefused: (refused) => observer.onRefused(refused, senders.refused(refused)),
  onSigned: (signed) => {
    if (signed.isPrevious) observer.onPreviousSecret()
    senders.signed(signed)
  },
})

const MINUTE_MS = 60_000

/** Reports the floods of refused requests once a minute while the app runs, and once more when it closes. */
function reportFloods(from: {
  app: FastifyInstance
  tallies: readonly Pick<Tally, 'endMinute'>[]
  onFlood: (flood: Flood) => void
}): void {
  const report = (): void => {
    for (const tally of from.tallies) tally.endMinute().forEach(from.onFlood)
  }
  const everyMinute = setInterval(report, MINUTE_MS).unref()
  from.app.addHook('onClose', async () => {
    clearInterval(everyMinute)
    report()
  })
}
