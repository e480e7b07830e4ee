import { performance } from 'node:perf_hooks'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** The memory of a request and its connection until the answer, without the body (measured with 8,000 of them). */
const REQUEST_BYTES = 32 * 1024
/** Enough for 8,000 ordinary webhooks at once, or for 2,700 with a body of 64 KiB. */
const MEMORY_BYTES = 256 * 1024 * 1024
/** Enough for 100 of the largest forms of the console at once. */
const FORM_MEMORY_BYTES = 32 * 1024 * 1024

/**
 * The time that one iteration of the event loop may spend on large bodies, whose JSON may take milliseconds each. Libuv
 * accepts one connection per iteration, so long iterations keep new connections out. Ordinary webhooks are not refused
 * for lack of time: refusing one costs nearly as much as storing it.
 */
const ITERATION_MS = 20
const LARGE_BYTES = 8 * 1024
/** Every iteration may check this many large bodies: one that is long for another reason refuses none. */
const FREE_CHECKS = 8

/** No body is read with these methods. With the others, the console reads one before it says that there is no such page. */
const BODILESS = ['GET', 'HEAD']

/** Load shedding ends when no webhook was refused for this long. */
const CALM_MS = 10_000
const RETRY_AFTER_SECONDS = 10
const TOO_BUSY = 'The service is too busy, and the delivery is not accepted. Send it again later'

export interface Loop {
  /** The number of this iteration of the event loop. */
  readonly iteration: () => number
  /** Monotonic, ms. */
  readonly now: () => number
}

const LOOP: Loop = {
  iteration: () => performance.nodeTiming.uvMetricsInfo.loopCount,
  now: () => performance.now(),
}

/** What is short. */
export type Shortage = 'time' | 'memory'

interface LoadShedding {
  readonly app: FastifyInstance
  /** The paths of the webhook, as its routes name them. */
  readonly paths: readonly string[]
  /** Called at the first refusal, with its reason. */
  readonly onBegin: (shortage: Shortage) => void
  /** Called with the number of refusals when there was none for 10 s. */
  readonly onEnd: (refused: number) => void
  readonly loop?: Loop
  /** The limit for all webhooks in flight. */
  readonly memoryBytes?: number
}

/**
 * Answers 503 to webhooks that come faster than the service can handle them, before it reads them: the event loop keeps
 * turning, memory is bounded, and webhooks that have come in completely are finished (docs/decisions/0015). Other bodies,
 * such as the console's forms, can be sent by anyone too: they share a limit of their own, and keep no webhook out.
 */
export function shedLoad(options: LoadShedding): void {
  const { app, memoryBytes = MEMORY_BYTES } = options
  const admitWebhook = createHeldMemory(memoryBytes)
  const admitForm = createHeldMemory(FORM_MEMORY_BYTES)
  const refuse = createRefuser(options)
  const isOutOfTime = createTimeLimit(options.loop ?? LOOP)
  const isWebhook = ({ method, routeOptions: { url = '' } }: FastifyRequest): boolean =>
    method === 'POST' && options.paths.includes(url)
  /** One of unknown length counts as one of the greatest. */
  const bodyBytes = ({ headers, routeOptions: { bodyLimit } }: FastifyRequest): number =>
    Math.min(bodyLimit, Number(headers['content-length'] ?? bodyLimit))

  app.addHook('onRequest', async (request, reply) => {
    if (BODILESS.includes(request.method)) return
    const bytes = bodyBytes(request)
    const isForm = !isWebhook(request)
    if (!isForm && isOutOfTime(bytes)) return refuse(reply, 'time')
    const refuseOne = (): FastifyReply => (isForm ? sendBusy(reply) : refuse(reply, 'memory'))
    const giveWay = (): void => {
      reply.header('connection', 'close') // ends the connection
      refuseOne()
    }
    const admitted = (isForm ? admitForm : admitWebhook)({ bytes: REQUEST_BYTES + bytes, giveWay })
    if (admitted === null) return refuseOne()
    request.raw.once('end', admitted.complete)
    reply.raw.once('close', admitted.release)
  })
  // Checked again once the body is complete: all bodies that were admitted together may complete at once.
  app.addHook('preHandler', async (request, reply) => {
    if (isWebhook(request) && isOutOfTime(bodyBytes(request))) return refuse(reply, 'time')
  })
}

/** Returns a function that answers 503. It reports the begin and the end of load shedding. */
function createRefuser({ onBegin, onEnd }: Pick<LoadShedding, 'onBegin' | 'onEnd'>) {
  let refused = 0
  let calm: NodeJS.Timeout | undefined

  const end = (): void => {
    onEnd(refused)
    refused = 0
  }
  return (reply: FastifyReply, shortage: Shortage): FastifyReply => {
    if (refused === 0) onBegin(shortage)
    refused++
    clearTimeout(calm)
    calm = setTimeout(end, CALM_MS).unref()
    return sendBusy(reply)
  }
}

const sendBusy = (reply: FastifyReply): FastifyReply =>
  reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send({ success: false, message: TOO_BUSY })

/** Whether this iteration of the event loop has no time left for a body of this size. Each call counts as a check. */
function createTimeLimit(loop: Loop): (bytes: number) => boolean {
  let current = { iteration: -1, beganAt: 0, checks: 0 }

  return (bytes) => {
    if (bytes <= LARGE_BYTES) return false
    const iteration = loop.iteration()
    if (current.iteration !== iteration) current = { iteration, beganAt: loop.now(), checks: 0 }
    current.checks++
    return current.checks > FREE_CHECKS && loop.now() - current.beganAt > ITERATION_MS
  }
}

/** The memory of one webhook. */
interface Held {
  readonly bytes: number
  /** Answers it and cuts its connection. */
  readonly giveWay: () => void
}

/**
 * Bounds the memory of all webhooks in flight. Complete webhooks keep their place. Incomplete ones give way to later
 * ones, the oldest first. So thousands of slow senders push out one another, and not a sale, which is complete within a
 * moment. The returned function admits a webhook whose headers have come in, or gives null if complete webhooks leave no
 * room for it.
 */
function createHeldMemory(memoryBytes: number) {
  const incomplete = new Set<Held>() // the oldest first
  let [completeBytes, incompleteBytes] = [0, 0]

  /** Whether it was incomplete until now. */
  const remove = (held: Held): boolean => {
    if (!incomplete.delete(held)) return false
    incompleteBytes -= held.bytes
    return true
  }

  return (held: Held) => {
    if (completeBytes + held.bytes > memoryBytes) return null
    incomplete.add(held)
    incompleteBytes += held.bytes
    for (const oldest of incomplete) {
      if (completeBytes + incompleteBytes <= memoryBytes) break
      remove(oldest)
      oldest.giveWay()
    }
    let isComplete = false
    return {
      /** Its body is complete: it now keeps its memory until `release`. */
      complete: (): void => {
        isComplete = remove(held)
        if (isComplete) completeBytes += held.bytes
      },
      /** It is answered, or its sender is gone. To be called once. */
      release: (): void => {
        if (isComplete) completeBytes -= held.bytes
        else remove(held)
      },
    }
  }
}
