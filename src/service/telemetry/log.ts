import { type DestinationStream, type Logger, pino } from 'pino'
import { type DeliveryEvent, EVENTS } from '../../sale/types.ts'
import { escapeInvisible, sanitize, sanitizeFields } from '../lib/sanitize.ts'

export type Log = Logger

/**
 * Creates a log of JSON lines, one for each event. It sanitizes every text, in a field at any depth, in the message, or in
 * an error's stack: it cuts the text to 500 characters, keeps only the first letter and the domain of an e-mail address,
 * removes tokens and signatures, and escapes every character that could end the line, move the cursor, or change the
 * reading direction.
 */
export function createLog({ level, destination }: { level: string; destination?: DestinationStream }): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => sanitizeFields(fields),
    },
    serializers: { msg: sanitize },
    hooks: { streamWrite: escapeInvisible },
  }
  return pino(options, destination ?? standardOutput())
}

/**
 * Standard output. It may be a file on a full disk, and the service goes on without its log: once some lines wait, it drops
 * the others, and tries again with each. Without a listener, the first error would end the process, and the stream would
 * block the exit until there is room.
 */
function standardOutput(): DestinationStream {
  const stream = pino.destination(1)
  const flush = stream.flushSync.bind(stream)
  let [fails, hasRoom] = [false, true]
  stream.on('error', () => {
    fails = true
  })
  stream.on('write', () => {
    fails = false
  })
  stream.flushSync = () => {
    if (!fails) flush()
  }
  return {
    write: (line) => {
      hasRoom = stream.write(fails && !hasRoom ? '' : line) // an empty text only tries again
    },
  }
}

/** Logs an event of a delivery's timeline. `delivery` is the delivery's id, by which all its lines can be found. */
export function logEvent(log: Log, event: DeliveryEvent): void {
  const { deliveryId, kind, detail, actor, isTest } = event
  const of = deliveryId === '' ? {} : { delivery: deliveryId }
  const fields = { ...of, event: kind, detail, ...(actor === null ? {} : { actor }), ...(isTest ? { test: true } : {}) }
  const { log: words = kind.replaceAll('_', ' '), warns } = EVENTS[kind]
  const message = `${deliveryId === '' ? 'deliveries:' : 'delivery'} ${words}`
  if (kind === 'needs_attention') log.warn(fields, 'delivery needs attention')
  else log[warns ? 'warn' : 'info'](fields, message)
}

/** Returns an error as fields of a log line; `cause` is the message of its cause. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) }
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {}
  return { error: error.message, ...cause, stack: error.stack }
}
