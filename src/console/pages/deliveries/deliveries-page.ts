import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Operations } from '../../../operators/changes/operations.ts'
import { isWholeAddress } from '../../../operators/find/people.ts'
import { sessionOf } from '../../layout/guard.ts'
import { sendPage } from '../../layout/layout.ts'
import type { LiveState } from '../../layout/live-state.ts'
import { menuPath } from '../../layout/navigation.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'
import { csvPages } from './csv.ts'
import { formHtml } from './list-filters.ts'
import { filterOf, isEmpty, type ListQuery, queryText, readQuery } from './list-query.ts'
import { resultsHtml } from './list-view.ts'
import { personButton } from './people-page.ts'

const PAGE = 50
/** While an operator is still typing an address, it most likely has no dot and no two letters after it yet. */
const WHOLE_DOMAIN = /@[^@]+\.[^@.]{2,}$/

/** Adds the list of deliveries, with search, filters and pages, and the same list as a CSV file. */
export function addDeliveries({
  scope,
  site,
  operations,
  breaker,
  now,
}: {
  scope: FastifyInstance
  site: () => Site
  operations: Pick<Operations, 'list' | 'countByState'>
  breaker: LiveState['breaker']
  now: () => number
}): void {
  const path = '/deliveries'

  scope.get(path, async (request, reply) => {
    const { base, origin } = site()
    const parameters = new URL(request.url, origin).searchParams
    const session = sessionOf(request)
    const [query, after] = [readQuery(parameters), parameters.get('after')]
    const isWhole = isEmpty({ ...query, state: '' })
    const [found, counts] = await Promise.all([
      operations.list({ filter: filterOf(query, request.zone), limit: PAGE, after }),
      isWhole ? operations.countByState() : null,
    ])
    const person = personHtml({ query, session, base })
    const skip = after === null ? 0 : readSkip(parameters)
    const results = resultsHtml({
      found,
      query,
      counts: counts?.value ?? null,
      skip,
      person,
      base,
      breaker: breaker(),
      now: now(),
    })
    const main = html`<div class="list-page">!${formHtml(query, request.zone, base)}!${results}</div>`
    const current = menuPath(`${path}${queryText({ state: query.state })}`) ?? path
    const search = { text: query.q, form: 'filters' }
    return sendPage({ reply, site: site(), session, title: TEXTS.deliveries.title, current, search, main })
  })

  scope.get(`${path}.csv`, (request, reply) => {
    const filter = filterOf(readQuery(new URL(request.url, site().origin).searchParams), request.zone)
    const name = `deliveries-${new Date(now()).toISOString().slice(0, 10)}.csv`
    return reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(csvPages({ operations, filter })))
  })
}

/** The number of deliveries on the earlier pages, as the link to this page has it. */
function readSkip(parameters: URLSearchParams): number | null {
  const text = parameters.get('skip') ?? ''
  return /^\d{1,9}$/.test(text) ? Number(text) : null
}

/** Leads from a search for a whole address to its owner, even if nothing was sold to it. */
function personHtml({ query: { q }, ...of }: { query: ListQuery; session: Session; base: string }): string {
  return isWholeAddress(q) && WHOLE_DOMAIN.test(q) ? personButton({ ...of, email: q }) : ''
}
