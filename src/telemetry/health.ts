import type { FastifyInstance } from 'fastify'

/**
 * /healthz: the process is alive. /readyz: it can accept webhooks; 503 with the reason while it can't. Both are 503
 * from the moment of `leaving` on, by which a proxy knows to send nothing more.
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
