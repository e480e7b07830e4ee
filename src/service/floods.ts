import type { FastifyInstance } from 'fastify'
import { createRefusals, type Flood, type Refusals } from '../webhook/refusals.ts'

const MINUTE_MS = 60_000

/** Counts refused webhooks by address as long as the app runs; each flood is told of once a minute, and at the end. */
export function countRefusals(from: {
  app: FastifyInstance
  now: () => number
  onFlood: (flood: Flood) => void
}): Refusals {
  const refusals = createRefusals({ now: from.now })
  const tellFloods = (): void => refusals.endMinute().forEach(from.onFlood)
  const everyMinute = setInterval(tellFloods, MINUTE_MS).unref()
  from.app.addHook('onClose', async () => {
    clearInterval(everyMinute)
    tellFloods()
  })
  return refusals
}
