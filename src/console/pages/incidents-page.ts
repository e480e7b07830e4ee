import { html } from 'ghtml'
import type { Band, Incident } from '../../operators/incidents/incidents.ts'
import { listTable, olderHtml, refreshes } from '../layout/elements.ts'
import { durationText, numberText, timeHtml } from '../layout/format.ts'
import { sendPage } from '../layout/layout.ts'
import { queryOf } from '../layout/request.ts'
import { fill, TEXTS } from '../layout/texts.ts'
import type { PageParts } from '../parts.ts'

const words = TEXTS.incidents

/** Adds the page that lists when the LMS or the database was away, and what that meant for sales. */
export function addIncidents({ scope, operations, now }: PageParts): void {
  const path = '/incidents'
  scope.get(path, async (request, reply) => {
    const { base } = request.site
    const { items, next } = await operations.incidents(queryOf(request).get('after'))
    const rows = items.map((item) => cellsOf(item, now()))
    const list = items.length === 0 ? html`<p>${words.none}</p>` : listTable({ columns: words.columns, rows })
    const older = olderHtml({ url: base + path, next, label: words.older })
    const main = html`<div id="incidents" !${refreshes({ url: `${base}${request.url.slice(request.url.indexOf(path))}`, id: 'incidents', seconds: 10 })}><p class="quiet" role="status">${items.some(({ to }) => to === null) ? words.now : words.notNow}</p>!${list}!${older}</div>`
    return sendPage({ reply, title: words.title, intro: words.intro, current: path, main })
  })
}

function cellsOf({ kind, cause, from, to, sales, queued, lastEnrolledAt }: Incident, now: number): string[] {
  const lasted = durationText(Math.max(0, (to ?? now) - from))
  const end = to === null ? html`<strong>${words.ongoing}</strong>` : timeHtml(to, 'seconds')
  const count = numberText(sales)
  const still =
    queued === 0 ? '' : html`<br><span class="quiet">${fill(words.queued, { count: numberText(queued) })}</span>`
  return [
    html`<div>!${timeHtml(from, 'seconds')}</div>`,
    html`<div>!${end}<br><span class="quiet">${lasted}</span></div>`,
    html`<div>${words.kinds[kind]}<br><span class="quiet">${cause}</span></div>`,
    html`<div>${count}!${still}</div>`,
    lastEnrolledAt === null ? '' : html`<div>!${timeHtml(lastEnrolledAt, 'seconds')}</div>`,
  ]
}

/** The latest incident of the given ones in a sentence; '' if there is none. Times are ms since 1970. */
export function lastIncidentHtml(bands: readonly Band[], base: string): string {
  const last = bands.at(-1)
  if (last === undefined) return ''
  const { kind, from, to } = last
  const text = html`<a href="${base}/incidents">${words.kinds[kind]}</a> !${timeHtml(from)}`
  return to === null
    ? html`${words.last} !${text}, ${words.ongoing}.`
    : html`${words.last} !${text}, ${fill(words.lasted, { time: durationText(to - from) })}.`
}
