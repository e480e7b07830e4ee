import rows from './refusals.json' with { type: 'json' }

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

/** Every refusal that no route gives. */
export const REFUSALS = rows
export type RefusalCode = keyof typeof REFUSALS

/** The status and the message of a refusal, by its code. */
export const refusalOf = (code: RefusalCode): Refusal => ({ code, ...REFUSALS[code] })

/** The body of a refusal, in the form of the webhook's answers. */
export const bodyOf = ({ message }: Refusal): { success: false; message: string } => ({ success: false, message })
