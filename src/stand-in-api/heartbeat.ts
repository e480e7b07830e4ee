import type { FastifyInstance } from 'fastify'
import { send } from './views.ts'

/** GET /heartbeat (recorded: bulk-enroll-off.json, 'heartbeat'). It waits for no worker. */
export function addHeartbeat({ app }: { app: FastifyInstance }): void {
  const fine = { status: true, message: 'OK' }
  app.get('/heartbeat', { config: { pattern: '/heartbeat' } }, (_request, reply) => {
    return send(reply, { status: 200, body: { modulestore: fine, sql: fine } })
  })
}
