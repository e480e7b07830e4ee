import { html } from 'ghtml'
import { type GivenAnswer, type GivenAnswers, REQUEST_WORDS } from '../../../queue/shop-answers.ts'
import { LATE, type Withdrawal } from '../../../queue/withdrawal-row.ts'
import type { CallNote } from '../../../sale/calls.ts'
import type { DeliveryEvent } from '../../../sale/types.ts'
import { detailText } from '../../../sale/words.ts'
import { listTable } from '../../layout/elements.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.withdraw
const attemptWords = TEXTS.attempts
const answerWords = TEXTS.answers

/**
 * Returns events as a list, in their order.
 * @param of.base the path of the console: each entry then links to its delivery
 */
export function timelineHtml({ events, base }: { events: readonly DeliveryEvent[]; base?: string }): string {
  const items = events.map(({ at, kind, detail, actor, deliveryId }) => {
    const by = actor === null ? '' : html` <span class="quiet">${fill(TEXTS.delivery.by, { actor })}</span>`
    const link =
      base === undefined ? '' : html` <a href="${base}/deliveries/${deliveryId}"><code>${deliveryId}</code></a>`
    const more = detail === '' ? '' : html`<p><bdi>${detailText(detail)}</bdi></p>`
    return html`<li class="${kind.replaceAll('_', '-')}"><strong>${TEXTS.events[kind]}</strong>!${by} <span class="quiet">!${timeHtml(at, 'seconds')}</span>!${link}!${more}</li>`
  })
  return html`<ol class="timeline">!${items.join('')}</ol>`
}

/** Returns each call to the LMS about a delivery with its result, oldest first; '' if none is known. */
export function attemptsHtml(events: readonly DeliveryEvent[]): string {
  const rows = events.flatMap((event) => (event.calls ?? []).map((call) => callCells(event, call)))
  return rows.length === 0
    ? ''
    : html`<h2>${attemptWords.title}</h2>!${listTable({ columns: attemptWords.columns, rows })}`
}

function callCells({ at, kind, detail }: DeliveryEvent, { api, people, status, ms }: CallNote): string[] {
  const others = people - 1
  const count = others === 1 ? attemptWords.withOne : fill(attemptWords.withOthers, { count: numberText(others) })
  const name = api === 'single' ? attemptWords.single : html`<code>${api}</code>`
  const isGood = status !== null && status < 300
  const shown =
    api === 'single' ? '' : html`<span class="${isGood ? 'good' : 'bad'}">${status ?? attemptWords.none}</span>`
  return [
    html`<div>!${timeHtml(at, 'seconds')}</div>`,
    html`<div class="call">!${name}!${others === 0 ? '' : html`<br><span class="quiet">${count}</span>`}</div>`,
    html`<div>!${shown}</div>`,
    html`<div>${fill(attemptWords.ms, { ms: numberText(ms) })}</div>`,
    html`<div>${TEXTS.events[kind]}!${kind === 'retry_scheduled' ? html`<br><span class="quiet">${detail}</span>` : ''}</div>`,
  ]
}

/** Returns each answer that the shop got about a delivery, oldest first; '' if none is known. */
export function shopAnswersHtml({ first, omitted, last }: GivenAnswers): string {
  if (first.length === 0) return ''
  const gap = [fill(answerWords.omitted, { count: numberText(omitted) }), '', '', '']
  const rows = [...first.map(answerCells), ...(omitted === 0 ? [] : [gap]), ...last.map(answerCells)]
  return html`<h2>${answerWords.title}</h2>!${listTable({ columns: answerWords.columns, rows })}`
}

function answerCells({ at, to, status, ms }: GivenAnswer): string[] {
  const isGood = status !== null && status < 300
  return [
    html`<div>!${timeHtml(at, 'seconds')}</div>`,
    html`<div>${REQUEST_WORDS[to]}</div>`,
    html`<div><span class="${isGood ? 'good' : 'bad'}">${status ?? answerWords.hungUp}</span></div>`,
    html`<div>${fill(attemptWords.ms, { ms: numberText(ms) })}</div>`,
  ]
}

/** Whether the service still carries it out. */
export const isPending = ({ endedAt }: Withdrawal): boolean => endedAt === null

/** The withdrawals of a delivery with their progress, newest first; '' if there are none. */
export function withdrawalsHtml(withdrawals: readonly Withdrawal[]): string {
  if (withdrawals.length === 0) return ''
  return html`<h2>${words.list}</h2><ol class="timeline" id="withdrawals">!${withdrawals.map(withdrawalHtml).join('')}</ol>`
}

function withdrawalHtml(withdrawal: Withdrawal): string {
  const { by, isRefund, requestedAt, courses, paid, result } = withdrawal
  const items = courses.map((course) => {
    const found = result?.courses[course]
    const what = found === undefined ? '' : kindText(found)
    return html`<li><code>${course}</code> ${what}</li>`
  })
  return html`<li><strong>${isRefund ? words.refund : fill(words.requested, { by })}</strong> <span class="quiet">!${timeHtml(requestedAt)}</span>
<p>!${progressHtml(withdrawal)}!${paid ? html` ${words.includesPaid}` : ''}</p><ul>!${items.join('')}</ul></li>`
}

function progressHtml({ endedAt, dueAt, result }: Withdrawal): string {
  const message = result?.message ?? ''
  if (endedAt === null) {
    if (message === LATE) return html`${words.late} !${timeHtml(dueAt)}.`
    return message === '' ? html`${words.waiting}` : html`${fill(words.retrying, { message })} !${timeHtml(dueAt)}.`
  }
  if (message !== '')
    return html`${fill(words.endedWith, { message })} <span class="quiet">!${timeHtml(endedAt)}</span>`
  const kept = Object.values(result?.courses ?? {}).some(({ kind }) => kind === 'kept')
  return html`${kept ? words.endedKept : words.ended} <span class="quiet">!${timeHtml(endedAt)}</span>`
}

function kindText({ kind, why, mode }: NonNullable<Withdrawal['result']>['courses'][string]): string {
  const text = kind === 'kept' ? fill(words.kinds.kept, { why }) : words.kinds[kind]
  return kind === 'unenrolled' && mode !== null ? `${text} (${mode})` : text
}
