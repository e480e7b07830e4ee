import { performance } from 'node:perf_hooks'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Admitted, createHeldMemory } from './held-memory.ts'

/** What a request holds until its answer besides its body, its connection included (measured with 8,000 of them). */
const REQUEST_BYTES = 32 * 1024
/** Enough for 8,000 ordinary webhooks at once, or for 2,700 with a body of 64 KiB. */
const MEMORY_BYTES = 256 * 1024 * 1024

/**
 * What a round of the event loop may spend on large bodies, whose JSON may take milliseconds each. Libuv accepts one
 * connection in each round, so in long rounds nobody new gets in. Ordinary webhooks are not refused for it: that costs
 * nearly as much as to store them.
 */
const ROUND_MS = 20
const LARGE_BYTES = 8 * 1024
/** So many looks at large bodies are taken in any round: one that is long for another reason refuses nobody. */
const LOOKS = 8

/** When nothing has been refused for so long, it is over. */
const CALM_MS = 10_000
const RETRY_AFTER_SECONDS = 10
const TOO_BUSY = 'The service is too busy, and the delivery is not accepted. Send it again later'

export interface Loop {
  readonly round: () => number
  readonly now: () => number
}

const LOOP: Loop = {
  round: () => performance.nodeTiming.uvMetricsInfo.loopCount,
  now: () => performance.now(),
}

/** What there is too little of. */
export type Shortage = 'time' | 'memory'

/**
 * Answers 503 to webhooks that come faster than they can be dealt with, before they are read: the event loop keeps
 * coming round, the memory has a bound, and what has come in whole is finished (docs/decisions/0015). Every other path
 * is left alone.
 *
 * @param from.paths of the webhook, as its routes name them
 * @param from.bodyLimit in bytes; a body of unknown length counts as one of this length
 * @param from.onBegin told at the first refusal, and what it was for
 * @param from.onEnd told how many were refused, when there has been no more for 10 s
 * @param from.loop which round of the event loop this is, and the time in ms
 * @param from.memoryBytes how much all webhooks under way may hold
 */
export function shedLoad({
  app,
  paths,
  bodyLimit,
  onBegin,
  onEnd,
  loop = LOOP,
  memoryBytes = MEMORY_BYTES,
}: {
  app: FastifyInstance
  paths: readonly string[]
  bodyLimit: number
  onBegin: (shortage: Shortage) => void
  onEnd: (refused: number) => void
  loop?: Loop
  memoryBytes?: number
}): void {
  const memory = createHeldMemory({ memoryBytes })
  const admissions = new WeakMap<FastifyRequest, Admitted>()
  let refused = 0
  let calm: NodeJS.Timeout | undefined
  let round = { number: -1, began: 0, looks: 0 }

  const end = (): void => {
    onEnd(refused)
    refused = 0
  }
  const refuse = (reply: FastifyReply, shortage: Shortage): FastifyReply => {
    if (refused === 0) onBegin(shortage)
    refused++
    clearTimeout(calm)
    calm = setTimeout(end, CALM_MS).unref()
    return reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send({ success: false, message: TOO_BUSY })
  }
  const isWebhook = ({ method, routeOptions: { url = '' } }: FastifyRequest): boolean =>
    method === 'POST' && paths.includes(url)
  const bodyBytes = ({ headers }: FastifyRequest): number =>
    Math.min(bodyLimit, Number(headers['content-length'] ?? bodyLimit))
  const isLate = (bytes: number): boolean => {
    if (bytes <= LARGE_BYTES) return false
    const number = loop.round()
    if (round.number !== number) round = { number, began: loop.now(), looks: 0 }
    round.looks++
    return round.looks > LOOKS && loop.now() - round.began > ROUND_MS
  }

  app.addHook('onRequest', async (request, reply) => {
    if (!isWebhook(request)) return
    const bytes = bodyBytes(request)
    if (isLate(bytes)) return refuse(reply, 'time')
    const giveWay = (): void => void refuse(reply.header('connection', 'close'), 'memory') // which ends the connection
    const admitted = memory.admit({ bytes: REQUEST_BYTES + bytes, giveWay })
    if (admitted === null) return refuse(reply, 'memory')
    admissions.set(request, admitted)
    reply.raw.once('close', admitted.release)
  })
  // A body that came in whole is not looked at either: all that were admitted together may be complete at once.
  app.addHook('preHandler', async (request, reply) => {
    admissions.get(request)?.complete()
    if (isWebhook(request) && isLate(bodyBytes(request))) return refuse(reply, 'time')
  })
  app.addHook('onClose', async () => clearTimeout(calm))
}
