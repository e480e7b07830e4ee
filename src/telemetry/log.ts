import { type DestinationStream, type Logger, pino } from 'pino'
import type { DeliveryEvent } from '../delivery/types.ts'
import { harmless, harmlessFields, visible } from './sanitize.ts'

export type Log = Logger

/**
 * JSON lines, one for each thing that happened. Whatever is in a field, at any depth, in the message or in an error's
 * stack: every text is cut to 500 characters, of an e-mail address only the first letter and the domain are left,
 * tokens and signatures are left out, and no character can end the line, move the cursor or turn the reading direction.
 */
export function createLog({ level, destination }: { level: string; destination?: DestinationStream }): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => harmlessFields(fields),
    },
    serializers: { msg: harmless },
    hooks: { streamWrite: visible },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** The timeline of a delivery, line by line; `delivery` is the id to follow. */
export function logEvent(log: Log, event: DeliveryEvent): void {
  const { deliveryId, kind, detail, actor } = event
  const of = deliveryId === '' ? {} : { delivery: deliveryId }
  const fields = { ...of, event: kind, detail, ...(actor === null ? {} : { actor }) }
  if (kind === 'needs_attention') log.warn(fields, 'delivery needs attention')
  else log.info(fields, `${deliveryId === '' ? 'deliveries:' : 'delivery'} ${kind.replaceAll('_', ' ')}`)
}

/** An error as fields of a log line; `cause` is what lies behind it. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) }
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {}
  return { error: error.message, ...cause, stack: error.stack }
}
