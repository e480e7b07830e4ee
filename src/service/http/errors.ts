import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import { errorFields, type Log } from '../telemetry/log.ts'
import { bodyOf, type OnRefused, type RefusalCode, refusalOf } from './refusals.ts'

/** The error codes that a request can cause. Every other error is a bug and shows no detail. */
const UNAVAILABLE = {
  'database.unreachable': 'The delivery could not be stored and is not accepted. Send it again later',
} as const satisfies Partial<Record<ErrorCode, string>>

const RETRY_AFTER_SECONDS = 30

/** Sends a refusal, and reports it. */
export function refuseWith({
  code,
  onRefused,
  request,
  reply,
}: {
  code: RefusalCode
  onRefused: OnRefused
  request: FastifyRequest
  reply: FastifyReply
}): FastifyReply {
  const refusal = refusalOf(code)
  onRefused({ code, status: refusal.status, ip: request.ip })
  if (refusal.status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS)
  return reply.code(refusal.status).send(bodyOf(refusal))
}

/** The one place that turns an error into an HTTP answer. Details of internal errors only go to the log. */
export function answerErrors({ app, log, onRefused }: { app: FastifyInstance; log: Log; onRefused: OnRefused }): void {
  app.setErrorHandler<FastifyError | AppError>((error, request, reply) => {
    if (error instanceof AppError && isUnavailable(error.code)) {
      log.error({ ...errorFields(error), path: request.routeOptions.url }, 'request could not be served')
      return reply
        .code(503)
        .header('retry-after', RETRY_AFTER_SECONDS)
        .send({ success: false, message: UNAVAILABLE[error.code] })
    }
    const { destroyed, complete } = request.raw
    if (destroyed && !complete) return reply.send() // the sender is gone, and connections.ts has logged it
    const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500
    if (status >= 400 && status < 500) {
      if (request.is404) return refuseWith({ code: 'not_found', onRefused, request, reply })
      if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
        // Fastify closes the connection. app.ts reads the rest first: otherwise the sender's system may discard the answer.
        return refuseWith({ code: 'body_too_large', onRefused, request, reply: reply.removeHeader('connection') })
      }
      onRefused({ code: error.code, status, ip: request.ip })
      return reply.code(status).send({ success: false, message: error.message })
    }
    log.error({ ...errorFields(error), path: request.routeOptions.url }, 'unexpected error')
    return reply.code(500).send({ success: false, message: 'Internal server error' })
  })
  app.setNotFoundHandler((request, reply) => refuseWith({ code: 'not_found', onRefused, request, reply }))
}

const isUnavailable = (code: ErrorCode): code is keyof typeof UNAVAILABLE => code in UNAVAILABLE
