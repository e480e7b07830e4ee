import type { FastifyInstance } from 'fastify'
import type { BacklogCounts } from '../../operators/reports/counts.ts'
import type { Site } from '../session/site.ts'
import { sessionOf } from './guard.ts'
import { type ConsoleStatus, healthHtml } from './health-line.ts'
import { csrfField } from './layout.ts'
import type { LiveState } from './live-state.ts'
import { menuPath, navigationHtml } from './navigation.ts'
import { shareReads } from './share-reads.ts'
import { timesIn } from './zone.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** null on pages without a session. */
    status: ConsoleStatus | null
  }
}

/** Every page reads the counts, so pages that are shown within this time share them: ms. */
const KEPT_MS = 1000

/** Gives each page of a signed-in operator the status, and adds the fragment that keeps it up to date. */
export function addStatus({
  scope,
  site,
  readCounts,
  liveState,
  now,
}: {
  scope: FastifyInstance
  site: () => Site
  readCounts: () => Promise<BacklogCounts>
  liveState: Pick<LiveState, 'breaker' | 'budget'>
  now: () => number
}): void {
  // The page itself says what is wrong with the database.
  const counts = shareReads({ read: () => readCounts().catch(() => null), forMs: KEPT_MS, now })

  const read = async (): Promise<ConsoleStatus> => ({
    counts: await counts(),
    breaker: liveState.breaker(),
    budget: liveState.budget(),
  })

  scope.decorateRequest('status', null)
  scope.addHook('preHandler', async (request) => {
    if (request.session !== null) request.status = await read()
  })

  scope.get<{ Querystring: { page?: string } }>('/status', async (request, reply) => {
    const session = sessionOf(request)
    const { base } = site()
    const current = menuPath(String(request.query.page ?? ''))
    const status = await read()
    const menu = navigationHtml({ base, session, current, counts: status.counts, csrf: csrfField(session) })
    return reply.type('text/html; charset=utf-8').send(timesIn(request.zone, menu + healthHtml(status, base)))
  })
}
