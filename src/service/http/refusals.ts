import rows from './refusals.json' with { type: 'json' }

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

/**
 * An answer that refuses a request before it reaches a route. `code`: for the log, and never text from the sender.
 * `message`: for the sender, what is wrong and what to do.
 */
export const refusalOf = (code: RefusalCode) => ({ code, ...REFUSALS[code] })
export type Refusal = Readonly<ReturnType<typeof refusalOf>>

/** The body of a refusal, in the form of the webhook's answers. */
export const bodyOf = ({ message }: Refusal): { success: false; message: string } => ({ success: false, message })
