import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { send } from './api/serve.ts'
import { type Answer, errorPage, throttled } from './lms/answers.ts'
import type { Fault } from './lms/faults.ts'
import type { Lms } from './lms/lms.ts'

const pathOf = (request: FastifyRequest) => request.url.split('?')[0] ?? ''
const patternOf = (request: FastifyRequest) => request.routeOptions.config.pattern ?? pathOf(request)
const isControl = (request: FastifyRequest) => /^\/sandbox(\/|$)/.test(pathOf(request))

/** The text of a call: its URL and, if it has one, its body. */
function textOf({ url, body }: FastifyRequest): string {
  const sent = body instanceof Uint8Array ? Buffer.from(body).toString('utf8') : ''
  return `${decode(url)}\n${sent}`
}

function decode(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}

/** The answer of a fault, instead of the LMS's. */
function faultAnswer({ status = 200, retryAfter, body, contentType }: Fault): Answer {
  const seconds = Number(retryAfter)
  const plain = status === 429 ? throttled('detail', Number.isInteger(seconds) ? seconds : 1) : errorPage(status)
  const headers = {
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
  }
  return { status, headers, body: body === undefined ? plain.body : body }
}

/** Closes the connection without an answer. */
function dropConnection({ request, lms }: { request: FastifyRequest; lms: Lms }): void {
  lms.calls.count({ method: request.method, path: patternOf(request), status: 0 })
  request.raw.socket.destroy()
}

/** Counts every call and applies the faults that are set, on every route except those of the control API. */
export function addFaultHooks({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  app.decorateRequest('fault', null)

  const applyFault = async (request: FastifyRequest, reply: FastifyReply, text: string | null) => {
    if (isControl(request) || request.fault !== null) return
    const fault = lms.faults.match({ method: request.method, path: pathOf(request), pattern: patternOf(request), text })
    if (!fault) return
    request.fault = fault
    const answered = fault.status !== undefined || fault.body !== undefined
    const isView = request.routeOptions.config.view === true
    // A view waits itself, because its call holds its rows and its worker during the delay.
    if (answered || fault.drop === 'before' || !isView) await lms.sleep(fault.delayMs ?? 0)
    if (fault.drop === 'before') {
      dropConnection({ request, lms })
      return reply.hijack()
    }
    if (fault.drop === 'at_once') dropConnection({ request, lms })
    if (answered) return send(reply, faultAnswer(fault))
  }
  app.addHook('onRequest', (request, reply) => applyFault(request, reply, null))
  app.addHook('preHandler', (request, reply) => applyFault(request, reply, textOf(request)))

  app.addHook('onSend', async (request, reply, payload) => {
    if (isControl(request) || request.fault?.drop === 'at_once') return payload
    if (request.fault?.drop === 'after') {
      dropConnection({ request, lms })
      return payload
    }
    lms.calls.count({ method: request.method, path: patternOf(request), status: reply.statusCode })
    return payload
  })
}
