import type { FastifyInstance } from 'fastify'
import type { Flood, Refusals } from '../webhook/refusals.ts'

const MINUTE_MS = 60_000

/** Tells of each flood once a minute as long as the app runs, and at the end. */
export function tellFloods(from: {
  app: FastifyInstance
  refusals: readonly Refusals[]
  onFlood: (flood: Flood) => void
}): void {
  const tell = (): void => {
    for (const refusals of from.refusals) refusals.endMinute().forEach(from.onFlood)
  }
  const everyMinute = setInterval(tell, MINUTE_MS).unref()
  from.app.addHook('onClose', async () => {
    clearInterval(everyMinute)
    tell()
  })
}
