import type { FastifyInstance } from 'fastify'
import type { Flood, Tally } from '../shop/senders/tally.ts'

const MINUTE_MS = 60_000

/** Reports the floods of refused requests once a minute while the app runs, and once more when it closes. */
export function reportFloods(from: {
  app: FastifyInstance
  tallies: readonly Pick<Tally, 'endMinute'>[]
  onFlood: (flood: Flood) => void
}): void {
  const report = (): void => {
    for (const tally of from.tallies) tally.endMinute().forEach(from.onFlood)
  }
  const everyMinute = setInterval(report, MINUTE_MS).unref()
  from.app.addHook('onClose', async () => {
    clearInterval(everyMinute)
    report()
  })
}
