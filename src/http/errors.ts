import type { FastifyError, FastifyInstance } from 'fastify'
import { AppError, type ErrorCode } from '../errors.ts'
import { errorFields, type Log } from '../telemetry/log.ts'

/** The codes that can come out of a request; every other error is our own fault and shows no detail. */
const UNAVAILABLE = {
  'database.unreachable': 'The delivery could not be stored and is not accepted. Send it again later',
} as const satisfies Partial<Record<ErrorCode, string>>

const RETRY_AFTER_SECONDS = 30

const FRAMEWORK_WORDS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is larger than 64 KiB',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as Content-Length says',
}

/** The one place that turns an error into an HTTP answer. What is inside stays inside: the log has it. */
export function answerErrors({ app, log }: { app: FastifyInstance; log: Log }): void {
  app.setErrorHandler<FastifyError | AppError>((error, request, reply) => {
    if (error instanceof AppError && isUnavailable(error.code)) {
      log.error({ ...errorFields(error), path: request.routeOptions.url }, 'request could not be served')
      return reply
        .code(503)
        .header('retry-after', RETRY_AFTER_SECONDS)
        .send({ success: false, message: UNAVAILABLE[error.code] })
    }
    const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500
    if (status >= 400 && status < 500) {
      log.info({ code: error.code, status, ip: request.ip }, 'request refused')
      const message = FRAMEWORK_WORDS[error.code] ?? error.message
      return reply.code(status).send({ success: false, message })
    }
    log.error({ ...errorFields(error), path: request.routeOptions.url }, 'unexpected error')
    return reply.code(500).send({ success: false, message: 'Internal server error' })
  })
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ success: false, message: 'Not found. Webhooks go to POST /api/lernito/webhook/' }),
  )
}

const isUnavailable = (code: ErrorCode): code is keyof typeof UNAVAILABLE => code in UNAVAILABLE
