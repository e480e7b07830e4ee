import { html } from 'ghtml'
import type { Band, Incident, WaitedSales } from '../../operators/incidents/incidents.ts'
import { listTable, olderHtml, refreshes } from '../layout/elements.ts'
import { durationText, fillCount, timeHtml } from '../layout/format.ts'
import { queryOf } from '../layout/request.ts'
import { fill, TEXTS } from '../layout/texts.ts'
import type { PageParts } from '../parts.ts'
import { queryText, spanText } from './deliveries/list-filters.ts'

const words = TEXTS.incidents

/** Adds the page that lists when the LMS or the database was away, and what that meant for sales. */
export function addIncidents({ scope, operations, now }: PageParts): void {
  const path = '/incidents'
  scope.page(path, async ({ request }) => {
    const after = queryOf(request).get('after')
    const { items, next } = await operations.incidents(after)
    const rows = items.map((item) => cellsOf(item, now()))
    const list = listTable({ columns: words.columns, rows, ids: items.map(({ id }) => id), none: words.none })
    const older = olderHtml({ url: `~${path}`, next })
    const url = `~${path}${queryText({ after: after ?? '' })}`
    // One that isn't over is on the first page.
    const status = html`<p class="quiet" role="status">${items.some(({ to }) => to === null) ? words.now : words.notNow}</p>`
    const main = html`<div id="incidents" !${refreshes({ url, id: 'incidents', seconds: 10 })}>!${after === null ? status : ''}!${list}!${older}</div>`
    return { title: words.title, intro: words.intro, current: path, main }
  })
}

function cellsOf(incident: Incident, now: number): string[] {
  const { kind, cause, from, to } = incident
  const lasted = durationText(Math.max(0, (to ?? now) - from))
  const end = to === null ? html`<strong>${words.ongoing}</strong>` : timeHtml(to, 'seconds')
  return [
    html`<div>!${timeHtml(from, 'seconds')}</div>`,
    html`<div>!${end}<br><span class="quiet">${lasted}</span></div>`,
    html`<div>${words.kinds[kind]}<br><span class="quiet">${cause}</span></div>`,
    html`<div>!${waitedHtml(incident)}</div>`,
  ]
}

/** The time of a day says enough about what happened this soon after an incident began: ms. */
const NEAR_MS = 12 * 60 * 60_000

/** How many sales waited and what became of them, as a link to exactly these. */
function waitedHtml(incident: Incident): string {
  if (incident.sales === 0) return html`${words.noneWaited}`
  const list = `~/deliveries${queryText({ waited: spanText(incident) })}`
  return html`<a href="${list}">!${becameHtml(incident, incident)}</a>`
}

/** In their order in the sentence. Sales in other states are handled or withdrawn. */
const BECAME = ['enrolled', 'pre_enrolled', 'queued', 'needs_attention'] as const

/** How many sales waited, and what became of them. */
export function becameHtml({ from }: Pick<Band, 'from'>, of: WaitedSales): string {
  const { sales, counts, lastEnrolledAt: last } = of
  if (sales > 0 && counts.queued === sales) return html`${fillCount(words.wait, sales)}`
  const waited = fillCount(words.waited, sales)
  if (counts.enrolled === sales && last !== null)
    return html`${waited}, ${words.allEnrolled} !${timeHtml(last, last - from < NEAR_MS ? 'clock' : 'minutes')} ✓`
  const others = BECAME.reduce((rest, state) => rest - counts[state], sales)
  const parts = BECAME.flatMap((state) => (counts[state] === 0 ? [] : [fillCount(words.became[state], counts[state])]))
  if (others > 0) parts.push(fillCount(words.others, others))
  return html`${[waited, ...parts].join(', ')}`
}

/** The latest incident in a sentence, with the sales that waited for it. Times are ms since 1970. */
export function lastIncidentHtml(last: Incident): string {
  const { kind, from, to } = last
  const text = html`<a href="~/incidents">${words.kinds[kind]}</a> !${timeHtml(from)}`
  const sales = last.sales === 0 ? '' : html` !${waitedHtml(last)}.`
  const lasted = to === null ? words.ongoing : fill(words.lasted, { time: durationText(to - from) })
  return html`${words.last} !${text}, ${lasted}.!${sales}`
}
