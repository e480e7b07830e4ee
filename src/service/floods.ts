import type { FastifyInstance } from 'fastify'
import type { Flood, Refusals } from '../webhook/refusals.ts'

const MINUTE_MS = 60_000

/** Reports the floods of refused requests once a minute while the app runs, and once more when it closes. */
export function reportFloods(from: {
  app: FastifyInstance
  refusals: readonly Refusals[]
  onFlood: (flood: Flood) => void
}): void {
  const report = (): void => {
    for (const refusals of from.refusals) refusals.endMinute().forEach(from.onFlood)
  }
  const everyMinute = setInterval(report, MINUTE_MS).unref()
  from.app.addHook('onClose', async () => {
    clearInterval(everyMinute)
    report()
  })
}
