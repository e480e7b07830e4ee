/** An answer that refuses a request before it reaches a route. */
export interface Refusal {
  readonly status: number
  /** For the log: one of a fixed list, and never text from the sender. */
  readonly code: string
  /** For the sender: what is wrong and what to do. */
  readonly message: string
}

/** Called for every refusal. `detail` is Node's or Fastify's error code. */
export type OnRefused = (refused: {
  readonly code: string
  readonly status: number
  readonly ip: string | undefined
  readonly detail?: string
}) => void

export const HEADERS_MS = 5_000
export const REQUEST_MS = 10_000
export const HEADER_BYTES = 16 * 1024
export const MAX_HEADERS = 100

const LIMITS = `${HEADER_BYTES / 1024} KiB or ${MAX_HEADERS} headers`
const TIMES = `${HEADERS_MS / 1000} seconds for the headers, ${REQUEST_MS / 1000} seconds in all`

/** Every refusal that no route gives. */
export const REFUSALS = {
  malformed: {
    status: 400,
    message: 'This is not a valid HTTP/1.1 request. Look at how the sender, or a proxy in between, writes its requests',
  },
  host: { status: 400, message: 'An HTTP/1.1 request has exactly one Host header. Send it once' },
  content_type_twice: { status: 400, message: 'The header Content-Type came more than once. Send it once' },
  transfer_encoding: {
    status: 400,
    message: 'The only Transfer-Encoding is chunked, in HTTP/1.1. Send the body so, or with Content-Length',
  },
  bad_url: { status: 400, message: 'The path is not a valid one. Webhooks go to POST /api/lernito/webhook/' },
  not_found: { status: 404, message: 'Not found. Webhooks go to POST /api/lernito/webhook/' },
  connect: { status: 405, message: 'Method "CONNECT" not allowed. Webhooks go to POST /api/lernito/webhook/' },
  too_slow: { status: 408, message: `The request did not come in time: ${TIMES}. Send it again` },
  body_too_large: { status: 413, message: 'The body is larger than 64 KiB. Send a shorter one' },
  expectation: { status: 417, message: 'The only Expect is 100-continue. Send that, or leave the header out' },
  headers_too_large: { status: 431, message: `The headers are more than ${LIMITS}. Send fewer or shorter ones` },
  stopping: { status: 503, message: 'The service is stopping and did not accept the delivery. Send it again later' },
} as const satisfies Record<string, Omit<Refusal, 'code'>>
export type RefusalCode = keyof typeof REFUSALS

/** The status and the message of a refusal, by its code. */
export const refusalOf = (code: RefusalCode): Refusal => ({ code, ...REFUSALS[code] })

/** The body of a refusal, in the form of the webhook's answers. */
export const bodyOf = ({ message }: Refusal): { success: false; message: string } => ({ success: false, message })
