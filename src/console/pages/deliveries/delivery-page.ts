import type { FastifyInstance } from 'fastify'
import type { CheckedNow } from '../../../enroll/follow-up/check-now.ts'
import type { Operations } from '../../../operators/changes/operations.ts'
import { formOf, sessionOf } from '../../layout/guard.ts'
import { sendPage } from '../../layout/layout.ts'
import type { LiveState } from '../../layout/live-state.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { Site } from '../../session/site.ts'
import { type Done, deliveryDoneHtml, NOTE_MAX } from './delivery-actions.ts'
import { deliveryHtml, introHtml, neighborsHtml } from './delivery-view.ts'
import { filterOf, queryText, readQuery } from './list-query.ts'

const words = TEXTS.delivery

interface Parts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly operations: Pick<
    Operations,
    'show' | 'timeline' | 'answers' | 'neighbors' | 'replay' | 'markHandled' | 'withdrawals' | 'withdrawable'
  >
  readonly checkNow: (order: { ids: readonly string[]; by: string }) => Promise<CheckedNow[]>
  readonly lmsUrl: string
  /** The circuit breaker of the LMS; null until the worker has started. */
  readonly breaker: LiveState['breaker']
  /** From the start of a round of the follow-up to the next one, ms. */
  readonly followUpMs: number
  /** Whether the shop gets events. */
  readonly tellsShop: boolean
  /** In ms since 1970. */
  readonly now: () => number
}
type WithId = { Params: { id: string } }

/** Adds the page of one delivery: its result and the reason, its timeline, and the actions of an operator. */
export function addDelivery(parts: Parts): void {
  const { scope, site, operations } = parts
  const path = '/deliveries/:id'

  const resultUrl = (id: string, done: Done): string =>
    `${site().base}/deliveries/${encodeURIComponent(id)}?done=${done}`

  scope.get<WithId>(path, async (request, reply) => {
    const { id } = request.params
    const query = readQuery(new URL(request.url, site().origin).searchParams)
    const [delivery, events, answers, withdrawals, withdrawable, neighbors] = await Promise.all([
      operations.show(id),
      operations.timeline(id),
      operations.answers(id),
      operations.withdrawals(id),
      operations.withdrawable(id),
      operations.neighbors({ id, filter: filterOf(query, request.zone) }),
    ])
    if (delivery === null) return reply.callNotFound()
    const session = sessionOf(request)
    const canWithdraw = (withdrawable?.courses.length ?? 0) > 0
    const { base } = site()
    const breaker = parts.breaker()
    const done = deliveryDoneHtml({ request, delivery, breaker })
    const shown = { delivery, events, answers, withdrawals, canWithdraw }
    const main = deliveryHtml({ ...parts, ...shown, breaker, now: parts.now(), done, session, base })
    const title = delivery.request?.email ?? words.untitled
    const crumbs = [{ path: `/deliveries${queryText(query)}`, label: TEXTS.deliveries.title }]
    const links = [introHtml(delivery, base), ...neighborsHtml(neighbors, `${base}/deliveries`, queryText(query))]
    const intro = links.filter((link) => link !== '').join(' · ')
    return sendPage({ reply, site: site(), session, title, intro, crumbs, current: '/deliveries', main })
  })

  scope.post<WithId>(`${path}/replay`, async (request, reply) => {
    const { id } = request.params
    const { due } = await operations.replay({ ids: [id], by: sessionOf(request).username })
    return reply.redirect(resultUrl(id, due.includes(id) ? 'replayed' : 'left'), 303)
  })

  scope.post<WithId>(`${path}/check`, async (request, reply) => {
    const { id } = request.params
    const [checked] = await parts.checkNow({ ids: [id], by: sessionOf(request).username })
    const found = checked !== undefined && !('failure' in checked)
    return reply.redirect(resultUrl(id, found ? 'checked' : 'unchecked'), 303)
  })

  scope.post<WithId>(`${path}/handled`, async (request, reply) => {
    const { id } = request.params
    const note = (formOf(request).get('note') ?? '').trim().slice(0, NOTE_MAX)
    if (note === '') return reply.redirect(resultUrl(id, 'noNote'), 303)
    const { kind } = await operations.markHandled({ id, note, by: sessionOf(request).username })
    if (kind === 'unknown') return reply.callNotFound()
    return reply.redirect(resultUrl(id, kind), 303)
  })
}
