import type { FastifyInstance } from 'fastify'

/**
 * Adds /healthz, whether the process is alive, and /readyz, whether it can accept webhooks: 503 with the reason if not.
 * After `leaving` is aborted, both answer 503, so that a proxy sends no more requests.
 */
export function healthRoutes({
  app,
  leaving,
  ready,
}: {
  app: FastifyInstance
  leaving: AbortSignal
  ready: () => Promise<string | null>
}): void {
  app.get('/healthz', async (_request, reply) => {
    if (!leaving.aborted) return { status: 'alive' }
    return reply.code(503).send({ status: 'stopping' })
  })
  app.get('/readyz', async (_request, reply) => {
    const problem = leaving.aborted ? 'the service is stopping' : await ready()
    if (problem === null) return { status: 'ready' }
    return reply.code(503).send({ status: 'not ready', reason: problem })
  })
}
