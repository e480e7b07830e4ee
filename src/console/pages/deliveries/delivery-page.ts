import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { DeliveryFilter } from '../../../operators/find/filter.ts'
import type { Shown } from '../../../operators/find/listing.ts'
import type { Neighbors } from '../../../operators/find/search.ts'
import { deliverySentence } from '../../../sale/delivery-sentence.ts'
import { isWithdrawing } from '../../../sale/line.ts'
import { aboutOfBody } from '../../../sale/payload/rules.ts'
import type { DeliveryEvent, EventKind } from '../../../sale/types.ts'
import { detailText } from '../../../sale/words.ts'
import { doneHtml, noticeHtml, refreshes, seenOf } from '../../layout/elements.ts'
import { timeHtml } from '../../layout/format.ts'
import { queryOf } from '../../layout/request.ts'
import { TEXTS, textNamed } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { checkForOperator } from './check-now.ts'
import { boxHtml } from './delivery-box.ts'
import { coursesHtml, deliveryFactsHtml } from './delivery-facts.ts'
import { timelineHtml } from './delivery-timeline.ts'
import { readHandled } from './handled-form.ts'
import { filterOf, queryText, readQuery } from './list-filters.ts'
import { leadToOutdated } from './outdated-page.ts'

const words = TEXTS.delivery
/** The answers to the shop are stored up to a second after they were given, and the page asks every two seconds. */
const FOLLOWED_MS = 5_000

/** Adds the page of one delivery: its result and the reason, its timeline, and the actions of an operator. */
export function addDelivery(parts: PageParts): void {
  const { scope, operations, shopEvents } = parts
  const path = '/deliveries/:id'

  const resultUrl = ({ request, id }: { request: FastifyRequest; id: string }, done: Done): string =>
    `/deliveries/${id}${queryText({ ...readQuery(queryOf(request)), done })}`

  scope.page(path, async ({ request, id, sent }) => {
    const query = readQuery(queryOf(request))
    const filter = filterOf(query, request.zone)
    const read = await readDelivery(parts, { id, filter })
    if (read === null) return null
    const { delivery, neighbors } = read
    const crumbs = [{ path: `/deliveries${queryText(query)}`, label: TEXTS.deliveries.title }]
    const aside = neighborsHtml(neighbors, queryText(query))
    const main = deliveryHtml(parts, { request, read, sent })
    const title = nameOf(delivery)
    return { title, aside, intro: introHtml(delivery), crumbs, current: '/deliveries', main }
  })

  scope.form(`${path}/replay`, async (order) => {
    const { id, form, by } = order
    const done = await operations.replayOne({ id, seen: seenOf(form), by })
    if (done.kind === 'outdated') return leadToOutdated('replay', form, done)
    return resultUrl(order, done.kind === 'due' ? 'replayed' : 'left')
  })

  scope.form(`${path}/check`, async (order) => {
    const found = await checkForOperator(parts, { ids: [order.id], by: order.by })
    return resultUrl(order, found ? 'checked' : 'unchecked')
  })

  scope.form(`${path}/handled`, async (order) => {
    const { id, form, by } = order
    const sent = readHandled(form)
    if ('problem' in sent) {
      const query = queryText(readQuery(queryOf(order.request)))
      return { page: path, query, values: new URLSearchParams([...form, ['problem', sent.problem]]) }
    }
    const done = await operations.markHandled({ id, ...sent, seen: seenOf(form), by })
    if (done.kind === 'unknown') return null
    return done.kind === 'outdated' ? leadToOutdated('handled', form, done) : resultUrl(order, done.kind)
  })

  scope.form(`${path}/send-again`, async (order) => {
    const sent = await shopEvents?.sendAgain({ id: order.id, by: order.by })
    if (sent === undefined || sent.kind === 'unknown') return null
    return resultUrl(order, sent.kind === 'sent' ? 'sentAgain' : 'nothingToSend')
  })
}

/** Reads what the page of a delivery shows; null if there is no such delivery. `filter`: of the list that led to it. */
async function readDelivery({ operations }: PageParts, { id, filter }: { id: string; filter: DeliveryFilter }) {
  const [delivery, events, neighbors] = await Promise.all([
    operations.show(id),
    operations.timeline(id),
    operations.neighbors({ id, filter }),
  ])
  return delivery === null ? null : { delivery, events, neighbors }
}
type DeliveryRead = NonNullable<Awaited<ReturnType<typeof readDelivery>>>

/** Returns the page of a delivery: first what to do, then what happened. It follows the delivery until it has settled. */
function deliveryHtml(
  parts: PageParts,
  { request, read, sent }: { request: FastifyRequest; read: DeliveryRead; sent: URLSearchParams | null },
): string {
  const { lmsUrl, now } = parts
  const { delivery, events } = read
  const here = `~/deliveries/${delivery.id}`
  const query = readQuery(queryOf(request))
  const list = queryText(query)
  // With what was begun, so that an update also brings what it came to.
  const done = queryOf(request).get('done') ?? ''
  const url = `${here}${queryText({ ...query, done: Object.hasOwn(BEGUN, done) ? done : '' })}`
  const poll = html`<div !${refreshes({ url, id: 'delivery', seconds: 2 })}></div>`
  const sentence = deliverySentence(delivery)
  const last = events.at(-1)
  const failure = last?.kind === 'retry_scheduled' ? detailText(last.detail) : null
  const from = events.findLast(({ answer }) => answer?.from !== undefined)?.answer?.from ?? null
  const box = { parts, request, delivery, sentence, here, list, failure, sent }
  return html`!${deliveryNoticeHtml({ request, events, isWaiting: parts.outage() !== null })}<div id="delivery" class="columns">
<div>!${isMoving(read, now()) ? poll : ''}
!${boxHtml(box)}!${linksHtml(delivery)}
<div class="head"><h2>${words.courses}</h2>!${checkHtml(delivery, `${here}/check${list}`)}</div>!${coursesHtml(delivery, { lmsUrl, courseName: request.courseName })}
<h2>${words.timeline}</h2>!${timelineHtml({ events, request, now: now(), of: delivery })}</div>
<aside aria-label="${words.details}">!${deliveryFactsHtml(delivery, { lmsUrl, from })}</aside>
</div>`
}

/** Asks the LMS what the buyer has. The next attempt of a queued delivery does that by itself. */
const checkHtml = (delivery: Shown, action: string): string =>
  delivery.state === 'queued' || delivery.request === null
    ? ''
    : html`<form method="post" action="${action}"><button class="plain">${words.check}</button></form>`

/** Whether the page can change by itself: something is to be done, or was done just now. `now`: ms since 1970. */
function isMoving({ delivery, events }: DeliveryRead, now: number): boolean {
  const last = events.at(-1)
  const isRecent = last !== undefined && Math.abs(now - last.at) < FOLLOWED_MS
  return delivery.state === 'queued' || delivery.lines.some(isWithdrawing) || isRecent
}

/** What a form came to, by its name in the address. */
type Done = keyof typeof words.begun | keyof typeof words.done.good | keyof typeof words.done.warning

/** What a form began, by its name in the address: the event with which the work starts. */
const BEGUN: Readonly<Record<keyof typeof words.begun, keyof typeof words.beganAt>> = {
  replayed: 'replayed',
  corrected: 'received',
  correctedWithdrawing: 'received',
  sold: 'received',
  withdrawing: 'withdrawal_requested',
}

/** The events of an order to take the buyer out that did not: it failed, or a replay or a repeat ended it, which then begins. */
const VAIN_ORDERS: readonly EventKind[] = ['withdrawal_failed', 'withdrawal_ended', 'refund_failed']
/** The events that end such an order. Meanwhile, the sale may go on with its other courses. */
const ENDS_OF_ORDER: readonly EventKind[] = ['withdrawn', ...VAIN_ORDERS]

/** The result of the form that led to a delivery's page: first what the service is going to do, then what came of it. */
function deliveryNoticeHtml(of: {
  request: FastifyRequest
  events: readonly DeliveryEvent[]
  /** Whether the work waits for the LMS. */
  isWaiting: boolean
}): string {
  const { request, events, isWaiting } = of
  const name = queryOf(request).get('done')
  const [begun, kind] = [textNamed(words.begun, name), textNamed(BEGUN, name)]
  if (begun === undefined || kind === undefined) return doneHtml(request, words.done)
  const { text, next } = begun
  const result = resultOf(events, kind)
  if (result === null) {
    const [grade, then] = isWaiting ? ['warning', words.waits] : ['good', next]
    return noticeHtml({ request, grade, html: html`${text} ${then}` })
  }
  const at = timeHtml(result.at, 'clock')
  return noticeHtml({ request, grade: result.grade, html: html`${text} ${words.beganAt[kind]} !${at}: ${result.text}` })
}

/** What came of the latest thing of this kind that began; null if it is in progress. `at`: when it began, ms since 1970. */
function resultOf(events: readonly DeliveryEvent[], kind: EventKind) {
  const kinds = kind === 'received' ? [kind, 'repeated'] : [kind] // a correction may be a sale that is stored already
  const start = events.findLastIndex((one) => kinds.includes(one.kind))
  const endOf = (all: readonly DeliveryEvent[]) =>
    all.flatMap((event) => {
      const end = textNamed(words.ended, event.kind)
      const isEnd =
        kind === 'withdrawal_requested' ? ENDS_OF_ORDER.includes(event.kind) : !VAIN_ORDERS.includes(event.kind)
      return end === undefined || !isEnd ? [] : [{ ...end, detail: event.detail }]
    })
  const [begun, after] = [events[start], endOf(events.slice(start + 1)).at(-1)]
  if (begun === undefined || after === undefined) return null
  const before = endOf(events.slice(0, start)).at(-1)
  const failedAgain = after.grade === 'bad' && before?.grade === 'bad'
  const again = before?.detail === after.detail ? words.sameCause : words.otherCause
  return { at: begun.at, grade: after.grade, text: failedAgain ? again : after.text }
}

/** The buyer's name, or else what the shop sent as the address, also of a sale whose payload was rejected. */
function nameOf({ request, body }: Pick<Shown, 'request' | 'body'>): string {
  if (request === null) return aboutOfBody(body).email || words.untitled
  const name = `${request.name} ${request.family}`.trim()
  return name === '' ? request.email : name
}

function introHtml({ request, receivedAt }: Pick<Shown, 'request' | 'receivedAt'>): string {
  const bought = html`${words.bought} !${timeHtml(receivedAt)}`
  return request === null ? bought : html`<bdi>${request.email}</bdi> · !${bought}`
}

function neighborsHtml({ previous, next }: Neighbors, list: string): string {
  const link = (id: string | null, [short, name]: readonly string[]): string =>
    id === null ? '' : html`<a href="~/deliveries/${id}${list}" aria-label="${name ?? ''}">${short ?? ''}</a>`
  return html`<div class="neighbors">!${link(previous, words.previousDelivery)} !${link(next, words.nextDelivery)}</div>`
}

function linksHtml({ replaces, replacedBy }: Shown): string {
  const note = (text: string, id: string): string =>
    html`<p class="note">${text} <a href="~/deliveries/${id}">${id}</a>.</p>`
  return (
    (replacedBy === null ? '' : note(words.replacedNote, replacedBy)) +
    (replaces === null ? '' : note(words.replacesNote, replaces))
  )
}
