import type { FastifyInstance } from 'fastify'

/** /healthz: the process is alive. /readyz: it can accept webhooks; 503 with the reason while it can't. */
export function healthRoutes({ app, ready }: { app: FastifyInstance; ready: () => Promise<string | null> }): void {
  app.get('/healthz', () => ({ status: 'alive' }))
  app.get('/readyz', async (_request, reply) => {
    const problem = await ready()
    if (problem === null) return { status: 'ready' }
    return reply.code(503).send({ status: 'not ready', reason: problem })
  })
}
