import type { FastifyInstance } from 'fastify'
import { send } from './serve.ts'

/** GET /heartbeat (recorded: bulk-enroll-off.json, 'heartbeat'). It doesn't need a worker. */
export function addHeartbeat({ app }: { app: FastifyInstance }): void {
  const ok = { status: true, message: 'OK' }
  app.get('/heartbeat', (_request, reply) => {
    return send(reply, { status: 200, body: { modulestore: ok, sql: ok } })
  })
}
