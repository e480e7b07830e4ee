import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { type EndpointState, hasFailedLast, type Outbox, type UnsentEvent } from '../../../operators/reports/outbox.ts'
import { courseNameHtml } from '../../layout/course-names.ts'
import { factsHtml, listTable, noticeHtml, refreshes } from '../../layout/elements.ts'
import { fillCount, numberText, timeHtml, unsentText } from '../../layout/format.ts'
import { queryOf } from '../../layout/request.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { type Buyers, buyerHtml, buyersOf } from '../changes-page.ts'

const words = TEXTS.shopEvents
const PATH = '/events'
const SECONDS = 5

/** Adds the page about the events for the shop: what it does not have yet, and why. */
export function addEvents(parts: PageParts): void {
  const { scope, shopEvents, now } = parts
  scope.page(PATH, async ({ request }) => {
    const outbox = (await shopEvents?.read()) ?? null
    const main =
      outbox === null
        ? html`<p>${words.off}</p>`
        : pageHtml(outbox, { request, buyers: await buyersOf(parts, outbox.events), now: now() })
    return { title: words.title, intro: html`${words.intro}`, current: PATH, main }
  })

  scope.form(`${PATH}/send-again`, async ({ by }) => {
    if (shopEvents === null) return null
    await shopEvents.sendFailedAgain({ by })
    return `${PATH}?done=again`
  })
}

interface Shown {
  readonly request: FastifyRequest
  readonly buyers: Buyers
  /** ms since 1970. */
  readonly now: number
}

function pageHtml(outbox: Outbox, of: Shown): string {
  const { request, now } = of
  const { endpoint, pending, failed, oldestAt, events } = outbox
  const tried = pending === 0 ? words.againNone : fillCount(words.again, pending, { count: unsentText(pending) })
  const isDone = queryOf(request).get('done') === 'again'
  const done = isDone ? noticeHtml({ request, grade: 'good', html: html`${tried}` }) : ''
  const oldest = oldestAt === null ? '' : html`, ${words.oldest} !${timeHtml(oldestAt)}`
  const { sentAt = null, error = null, errorAt = null } = endpoint ?? {}
  const sent = sentAt === null ? html`${words.neverSent}` : timeHtml(sentAt)
  const facts = factsHtml([
    [words.sent, endpoint === null ? '' : sent],
    [
      words.lastError,
      errorAt === null ? '' : html`<q>${error ?? ''}</q> <span class="quiet">!${timeHtml(errorAt)}</span>`,
    ],
    [words.pending, html`${unsentText(pending)}!${oldest}`],
    [words.failed, unsentText(failed)],
  ])
  const canSend = failed > 0 || endpoint?.state === 'gone' || endpoint?.state === 'down'
  const form = canSend
    ? html`<form method="post" action="~${PATH}/send-again" class="actions"><button>${words.sendAgain}</button></form><p class="quiet">${words.sendAgainHelp}</p>`
    : ''
  const rows = events.map((event) => cellsOf(event, { ...of, state: endpoint?.state ?? 'up' }))
  const list = listTable({
    columns: words.columns,
    numbers: [3],
    rows,
    ids: events.map(({ id }) => id),
    none: words.none,
  })
  const isCut = pending + failed > events.length
  const cut = isCut ? html`<p class="quiet">${fillCount(words.cut, events.length)}</p>` : ''
  const poll = pending === 0 ? '' : html`<div !${refreshes({ url: `~${PATH}`, id: 'events', seconds: SECONDS })}></div>`
  return html`!${done}<div id="events">!${poll}!${endpointHtml(outbox, now)}!${facts}!${form}!${list}!${cut}</div>`
}

function endpointHtml(outbox: Outbox, now: number): string {
  const { endpoint } = outbox
  if (endpoint === null) return html`<p class="note">${words.notStarted}</p>`
  const { state, since, probeAt, sentAt } = endpoint
  // One that has only just begun neither works nor fails.
  const unsure = hasFailedLast(outbox) ? words.lastFailed : sentAt === null ? words.notTried : null
  const { grade, text } = state === 'up' && unsure !== null ? { grade: '', text: unsure } : words.states[state]
  const from = since === null ? '' : html` ${words.since} !${timeHtml(since)}.`
  const probe =
    probeAt === null ? '' : probeAt <= now ? html` ${words.probesNow}` : html` ${words.probe} !${timeHtml(probeAt)}.`
  return html`<p class="note ${grade}"><span role="status">${text}</span>!${from}!${probe}</p>`
}

function cellsOf(event: UnsentEvent, of: Shown & { state: EndpointState['state'] }): string[] {
  const { now, state } = of
  const { type, createdAt, dueAt, attempts, failedAt, error } = event
  const next =
    failedAt !== null
      ? html`${words.givenUp} !${timeHtml(failedAt)}`
      : state !== 'up'
        ? html`${words.waits[state]}`
        : dueAt <= now
          ? html`${words.nextNow}`
          : html`${words.next} !${timeHtml(dueAt)}`
  const why = error === null ? '' : html`<br><span class="quiet">${error}</span>`
  return [
    html`<div class="word"><code>${type}</code></div>`,
    subjectHtml(event, of),
    timeHtml(createdAt),
    numberText(attempts),
    html`<div>!${next}!${why}</div>`,
  ]
}

/** The buyer, who leads to the delivery, or the course. */
function subjectHtml({ deliveryId, course }: UnsentEvent, { request, buyers }: Shown): string {
  if (deliveryId === null) return html`<div>!${courseNameHtml(course ?? '', request.courseName)}</div>`
  const buyer = buyers.get(deliveryId)
  return html`<a href="~/deliveries/${deliveryId}">!${buyerHtml(buyer ?? { name: null, email: deliveryId })}</a>`
}
