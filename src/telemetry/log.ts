import { type DestinationStream, type Logger, pino } from 'pino'
import type { DeliveryEvent } from '../deliveries/types.ts'

export type Log = Logger

const MAX_VALUE = 500

/**
 * JSON lines, one for each thing that happened. Every text is cut to 500 characters, and of an e-mail address only the
 * first letter and the domain are left, whichever field it came in.
 */
export function createLog({ level, destination }: { level: string; destination?: DestinationStream }): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) =>
        Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, harmless(value)])),
    },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** The timeline of a delivery, line by line; `delivery` is the id to follow. */
export function logEvent(log: Log, event: DeliveryEvent): void {
  const { deliveryId, kind, detail, actor } = event
  const fields = { delivery: deliveryId, event: kind, detail, ...(actor === null ? {} : { actor }) }
  if (kind === 'needs_attention') log.warn(fields, 'delivery needs attention')
  else log.info(fields, `delivery ${kind.replaceAll('_', ' ')}`)
}

/** An error as fields of a log line; `cause` is what lies behind it. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) }
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {}
  return { error: error.message, ...cause, stack: error.stack }
}

function harmless(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const cut = value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value
  return maskEmails(cut)
}

/** `alice@example.com` becomes `a***@example.com`. */
export const maskEmails = (text: string): string =>
  text.replace(/([^\s@<>"',;:=]?)[^\s@<>"',;:=]*@([^\s@<>"',;]+)/g, '$1***@$2')
