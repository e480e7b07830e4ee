import { html } from 'ghtml'
import type { BulkReplay } from '../../operators/changes/bulk-replay.ts'
import type { Summary } from '../../operators/find/listing.ts'
import { type DeliveryEvent, EVENTS, REASON_CODES, REASONS } from '../../sale/types.ts'
import { type CourseName, namedHtml } from '../layout/course-names.ts'
import { olderHtml } from '../layout/elements.ts'
import { fillCount, numberText, timeHtml } from '../layout/format.ts'
import { queryOf } from '../layout/request.ts'
import { fill, TEXTS } from '../layout/texts.ts'
import type { PageParts } from '../parts.ts'
import { daysHtml } from './deliveries/delivery-timeline.ts'

const words = TEXTS.changes
const PAGE = 50

/** Adds the page that lists who changed what: the events that have an actor. The bulk replays that still run come first. */
export function addChanges(parts: PageParts): void {
  const { scope, operations, now } = parts
  scope.page('/changes', async ({ request }) => {
    const after = queryOf(request).get('after')
    const [{ items, next }, running] = await Promise.all([
      operations.audit({ limit: PAGE, after }),
      after === null ? operations.runningReplays() : [],
    ])
    const buyers = await buyersOf(parts, items)
    const older = olderHtml({ url: '~/changes', next })
    const itemHtml = (event: DeliveryEvent): string => changeHtml(event, buyers, request.courseName)
    const list =
      items.length === 0 ? html`<p>${words.none}</p>` : daysHtml({ events: items, request, now: now(), itemHtml })
    const main = html`<p>${words.intro}</p>!${running.length === 0 ? '' : html`<h2>${words.running}</h2>!${runningHtml(running)}`}<h2>${words.all}</h2>!${list}!${older}`
    return { title: words.title, current: '/changes', main }
  })
}

/** Whom deliveries are for, by their ids. */
export type Buyers = ReadonlyMap<string, Pick<Summary, 'name' | 'email'>>

/** Reads whom the deliveries of these events are for. A person who was forgotten since is not there any more. */
export async function buyersOf(
  { operations }: PageParts,
  events: readonly { readonly deliveryId: string | null }[],
): Promise<Buyers> {
  const ids = new Set(events.flatMap(({ deliveryId }) => deliveryId || []))
  return new Map((await operations.summaries([...ids])).map((one) => [one.id, one]))
}

function changeHtml(event: DeliveryEvent, buyers: Buyers, courseName: CourseName): string {
  const { deliveryId, at, kind, detail, actor } = event
  const buyer = buyers.get(deliveryId)
  const link = buyer === undefined ? '' : html` · <a href="~/deliveries/${deliveryId}">!${buyerHtml(buyer)}</a>`
  const [, bulk] = deliveryId === '' ? (BULK.exec(detail) ?? []) : []
  const shown = bulk === undefined ? shownDetail(kind, detail) : detail.replace(` ${bulk}`, '')
  const text = html`<bdi>!${namedHtml(shown, courseName)}</bdi>`
  const more = bulk === undefined ? text : html`<a href="~/replays/${bulk}">!${text}</a>`
  const by = html`<span class="quiet">${fill(TEXTS.delivery.by, { actor: actor ?? '' })}</span>`
  return html`<li><div class="entry"><span class="at">!${timeHtml(at, 'time')}</span> <span class="what"><strong>${EVENTS[kind].name}</strong> !${by}!${link}!${detail === '' ? '' : html` <span class="quiet">· !${more}</span>`}</span></div></li>`
}

/** A bulk replay or correction is named by its id, which its link has. */
const BULK = /^bulk (?:replay|correction) (\w+)/

/** A mark of a cause names it by the code of its reason. */
function shownDetail(kind: DeliveryEvent['kind'], detail: string): string {
  if (kind !== 'cause_acknowledged' && kind !== 'cause_resolved') return detail
  const [code = '', ...rest] = detail.replace(/, first seen \S+$/, '').split(' ')
  const known = REASON_CODES.find((one) => one === code)
  const name = known === undefined ? code : REASONS[known].name
  return rest.length === 0 ? name : `${name}: ${rest.join(' ')}`
}

/** A buyer in a line: the name, and the address. */
export const buyerHtml = ({ name, email }: Pick<Summary, 'name' | 'email'>): string =>
  html`!${name ? html`<bdi>${name}</bdi> ` : ''}<small><bdi>${email ?? TEXTS.deliveries.noEmail}</bdi></small>`

function runningHtml(running: readonly BulkReplay[]): string {
  const items = running.map(({ id, by, startedAt, replayed, total, corrects }) => {
    const all = numberText(Math.max(total, replayed))
    const text = fillCount(corrects === null ? words.replayed : words.corrected, replayed, { total: all })
    return html`<li><a href="~/replays/${id}">${text}</a> <span class="quiet">${fill(TEXTS.delivery.by, { actor: by })}, !${timeHtml(startedAt)}</span></li>`
  })
  return html`<ul>!${items.join('')}</ul>`
}
