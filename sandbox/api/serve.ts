import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Answer, errorPage, forbidden, methodNotAllowed, notAuthenticated, throttled } from '../lms/answers.ts'
import { callCost, costsByAnswer } from '../lms/cost.ts'
import type { Verdict } from '../lms/deadlock.ts'
import type { Fault } from '../lms/faults.ts'
import type { Lms } from '../lms/lms.ts'
import type { Person } from '../lms/people.ts'
import { readBody } from './bodies.ts'
import { findCaller } from './caller.ts'
import type { Call, Method, View } from './view.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    pattern?: string | undefined
    view?: boolean
  }
  interface FastifyRequest {
    fault: Fault | null
  }
}

const allMethods: Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

function isMethod(method: string): method is Method {
  return allMethods.some((known) => known === method)
}

/** Checks who calls and whether they may: the checks before the handler, in the LMS's order. */
function admit(lms: Lms, view: View, request: FastifyRequest): { caller: Person | null } | { refusal: Answer } {
  const { accepts, errors, access } = view
  const { authorization } = request.headers
  const found = findCaller({ authorization, accepts, errors, tokens: lms.tokens, state: lms.state })
  if ('refusal' in found) return found
  const { caller } = found
  if (access !== 'anyone' && !caller) {
    return { refusal: notAuthenticated(errors, 'Authentication credentials were not provided.') }
  }
  // A forbidden call isn't counted (recorded: throttle.json, 'non-staff: the 41st call within a minute' is a 403).
  if (access === 'staff' && !caller?.staff) return { refusal: forbidden(errors) }
  const refusal = typeof access === 'function' && caller ? access({ lms, caller, params: paramsOf(request) }) : null
  if (refusal) return { refusal }
  if (view.throttled === 'address') {
    // A page without Retry-After (Open edX, static_template_view/views.py, `render_429`).
    return lms.addressLimit.admit(request.ip) ? { caller } : { refusal: errorPage(429) }
  }
  if (view.throttled !== false) {
    const user = caller?.username ?? request.ip
    const throttle = lms.throttle.admit({ view: view.throttled, user, staff: caller?.staff === true })
    if (!throttle.admitted) return { refusal: throttled(errors, throttle.wait) }
  }
  return { caller }
}

function paramsOf(request: FastifyRequest): Record<string, string> {
  return Object.fromEntries(Object.entries(Object(request.params)).map(([name, value]) => [name, String(value)]))
}

/** The header Allow of a view (recorded: email-students.json). */
function allowedMethods(handlers: View['handlers']): string {
  return [...Object.keys(handlers), ...(handlers.GET ? ['HEAD'] : []), 'OPTIONS'].join(', ')
}

/** The answer with the header Allow, which Django REST framework adds to every answer of its views. */
function withAllow({ accepts, handlers }: View, answer: Answer): Answer {
  if (accepts === 'nothing' || typeof answer.body === 'string') return answer
  return { ...answer, headers: { allow: allowedMethods(handlers), ...answer.headers } }
}

/** The answer to OPTIONS (recorded: enrollments-modify.json, 'method OPTIONS'). */
function description({ handlers }: View, { name, description }: { name: string; description: string }): Answer {
  const parses = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data']
  return {
    status: 200,
    headers: { allow: allowedMethods(handlers) },
    body: { name, description, renders: ['application/json'], parses },
  }
}

type Prepared = { answer: Answer } | { call: Call; run: (verdict: Verdict) => Answer }

/** Checks a call. Returns the answer if the checks decide it, else the function that runs its handler. */
function prepare(lms: Lms, view: View, request: FastifyRequest): Prepared {
  const params = paramsOf(request)
  if (view.serves && !view.serves({ params })) return { answer: errorPage(404) }
  const admitted = admit(lms, view, request)
  if ('refusal' in admitted) return { answer: admitted.refusal }
  if (request.method === 'OPTIONS' && view.describes) return { answer: description(view, view.describes) }
  const handler = isMethod(request.method) ? view.handlers[request.method] : undefined
  if (!handler) return { answer: methodNotAllowed(view.errors, request.method, allowedMethods(view.handlers)) }
  const bytes = request.body instanceof Uint8Array ? request.body : new Uint8Array()
  const contentType = request.headers['content-type']
  const body = readBody({ bytes, contentType, forms: view.jsonOnly !== true })
  if (!('data' in body)) return { answer: { status: body.status, body: { [view.errors]: body.detail } } }
  const call: Call = {
    lms,
    context: lms.context(),
    caller: admitted.caller,
    fault: request.fault,
    query: new URLSearchParams(request.url.split('?').slice(1).join('?')),
    params,
    data: body.data,
    form: body.form,
    authorization: request.headers.authorization,
    cookies: request.headers.cookie,
    host: request.headers.host ?? '',
    url: request.url,
  }
  return { call, run: (verdict) => handler(call, verdict) }
}

/** How long a call takes, ms: the delay of its fault and, with `--cost measured`, the cost of what it does. */
function timeOf({
  lms,
  view,
  prepared,
  delayMs,
}: {
  lms: Lms
  view: View
  prepared: Prepared
  delayMs: number
}): number {
  if (!lms.workers.measured) return delayMs
  const { url, pattern = url } = view
  // A trial run that is rolled back shows what the call will change and answer.
  const { tally, mails, value } = lms.state.atomically(() => {
    const needsTrial = 'run' in prepared && (view.enrolls || costsByAnswer(pattern))
    return { keep: false, value: needsTrial ? prepared.run('clear') : null }
  })
  const asked = 'call' in prepared ? view.countAsked?.(prepared.call) : undefined
  return delayMs + callCost({ pattern, tally, mails: mails.length, asked: asked ?? 0, answer: value })
}

/** Runs one call, from the queue for a worker to its answer. Its changes become visible at the end of its time, or never. */
async function serve(lms: Lms, view: View, request: FastifyRequest, delayMs: number): Promise<Answer> {
  const beganAt = lms.now()
  const releaseWorker = await lms.workers.acquire()
  try {
    const prepared = prepare(lms, view, request)
    if ('answer' in prepared) {
      const time = timeOf({ lms, view, prepared, delayMs })
      if (time > 0) await lms.sleep(time)
      return prepared.answer
    }
    const { call, run } = prepared
    const { verdict, release } = lms.locks.begin(view.locks?.(call) ?? [])
    try {
      const time = timeOf({ lms, view, prepared, delayMs })
      if (time > 0) await lms.sleep(time)
      const { value, effects, mails } = lms.state.atomically(() => {
        const value = run(verdict)
        return { keep: verdict === 'clear' && value.status < 500 && value.rollsBack !== true, value }
      })
      lms.mails.send(mails)
      if (effects.length > 0) lms.onChanges({ user: call.caller?.username ?? '', beganAt, at: lms.now(), effects })
      return value
    } finally {
      release()
    }
  } finally {
    releaseWorker()
  }
}

/** Sends an answer with exactly the LMS's content type. */
export function send(reply: FastifyReply, { status, headers = {}, body }: Answer): FastifyReply {
  reply.code(status)
  if (body === undefined) return reply.headers(headers).send()
  const type = typeof body === 'string' ? 'text/html; charset=utf-8' : 'application/json'
  // As bytes, because Fastify adds a charset to the content type of a text.
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return reply.headers({ 'content-type': type, ...headers }).send(bytes)
}

/** Adds a view's route. Other methods answer 405, after the same checks. */
export function addView({ app, lms, view }: { app: FastifyInstance; lms: Lms; view: View }): void {
  app.route({
    method: view.describes ? [...allMethods, 'OPTIONS'] : allMethods,
    url: view.url,
    config: { pattern: view.pattern, view: true },
    handler: async (request, reply) => {
      return send(reply, withAllow(view, await serve(lms, view, request, request.fault?.delayMs ?? 0)))
    },
  })
}
