import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import type { DeliverySentence } from '../../../sale/delivery-sentence.ts'
import { isStopped, REASONS } from '../../../sale/types.ts'
import { formText } from '../../../sale/words.ts'
import { factsHtml } from '../../layout/elements.ts'
import { agoHtml, durationText, sentenceHtml, stateHtml, supportUrl, testHtml, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { type BreakerView, isOpen } from '../../parts.ts'

const words = TEXTS.delivery
const outcomeWords = TEXTS.outcome

/**
 * Returns the box at the top of a delivery's page: its state, the reason, what an operator has to do, and the means.
 * @param of.sentence what is true of the delivery
 * @param of.breaker the circuit breaker: while it is open, a queued delivery waits for the LMS
 * @param of.followUpMs the time between two checks of who has registered
 * @param of.actions the forms, as escaped HTML
 */
export function outcomeHtml(of: {
  delivery: Shown
  sentence: DeliverySentence
  breaker: BreakerView | null
  followUpMs: number
  actions: string
}): string {
  const { delivery, sentence, breaker, followUpMs, actions } = of
  const { state, outcome, unreadable } = delivery
  if (unreadable !== null) {
    return html`<div class="note bad"><h2>${outcomeWords.unreadable}</h2><p>${unreadable}</p>!${actions}</div>`
  }
  const { title, grade } = outcomeWords.states[state]
  const reason = outcome?.reason ?? null
  const isOver = isStopped(state)
  const todo = reason === null || isOver ? '' : html` ${REASONS[reason.code].todo}`
  const checks =
    state === 'pre_enrolled' ? html` ${fill(outcomeWords.checkedEvery, { interval: durationText(followUpMs) })}` : ''
  const next = state === 'queued' ? waitHtml(delivery, breaker) : ''
  const look = sentence.situation === 'lost' ? 'warning' : grade
  return html`<div class="note ${look}"><div aria-live="polite"><h2>${title}</h2><p>!${sentenceHtml(sentence)}!${todo}!${checks}</p></div>!${next}!${actions}</div>`
}

/** Why a queued delivery waits, and until when. */
function waitHtml({ dueAt }: Pick<Shown, 'dueAt'>, breaker: BreakerView | null): string {
  if (breaker !== null && isOpen(breaker)) {
    const { kind, since, probeAt, failure } = breaker
    return html`<p>${fill(outcomeWords.waits[kind], { reason: failure.message })} ${outcomeWords.since} !${agoHtml(since)}. ${outcomeWords.probedAt} !${timeHtml(probeAt, 'seconds')}.</p>`
  }
  return dueAt === null ? '' : html`<p>${outcomeWords.nextAttemptAt} !${timeHtml(dueAt, 'seconds')}.</p>`
}

/** Returns what is known of a delivery, as a list beside its result. */
export function deliveryFactsHtml(delivery: Shown, lmsUrl: string): string {
  const { id, request, receivedAt, activeAt, dueAt, attempts, form, state, source, webhookId } = delivery
  const rows: (readonly [name: string, value: string] | null)[] = [
    [words.state, `${stateHtml(state)} ${testHtml(source)}`],
    ...(request === null ? [] : buyerRows(request, lmsUrl)),
    [words.received, timeHtml(receivedAt, 'seconds')],
    [words.active, timeHtml(activeAt, 'seconds')],
    dueAt === null ? null : [words.due, timeHtml(dueAt, 'seconds')],
    attempts === 0 ? null : [words.attempts, html`${attempts}`],
    source === 'shop' ? [words.form, html`${formText(form)}`] : [words.source, html`${words.sources[source]}`],
    webhookId === null ? null : [words.webhookId, html`<code>${webhookId}</code>`],
    [words.id, html`<code>${id}</code>`],
  ]
  return factsHtml(rows.filter((row) => row !== null))
}

/** Returns the payload as the shop sent it, indented. */
export function payloadHtml({ body }: Pick<Shown, 'body'>): string {
  const text = formatJson(Buffer.from(body).toString('utf8'))
  return html`<h2>${words.payload}</h2><pre tabindex="0" aria-label="${words.payload}">${text}</pre>`
}

function buyerRows(
  { email, name, family, username }: NonNullable<Shown['request']>,
  lmsUrl: string,
): [string, string][] {
  const link = html`<bdi>${email}</bdi> <a href="${supportUrl(email, lmsUrl)}">${words.inLms}</a>`
  return [
    [words.email, link],
    [words.name, html`<bdi>${name} ${family}</bdi>`],
    [words.username, html`<bdi>${username}</bdi>`],
  ]
}

/**
 * Indents JSON for reading. Numbers and texts stay as the sender wrote them, so it doesn't parse them. A text that is
 * no JSON is only broken into lines.
 */
export function formatJson(text: string): string {
  let depth = 0
  const line = (): string => `\n${'  '.repeat(Math.min(Math.max(depth, 0), DEEPEST))}`
  const tokens = text.match(TOKEN) ?? []
  return tokens
    .map((token, index) => {
      const isEmpty = CLOSING.test(tokens[index + 1] ?? '')
      if (OPENING.test(token)) {
        depth++
        return isEmpty ? token : token + line()
      }
      if (CLOSING.test(token)) {
        depth--
        return OPENING.test(tokens[index - 1] ?? '') ? token : line() + token
      }
      if (token === ',') return token + line()
      return token === ':' ? ': ' : token
    })
    .join('')
}

/** Deeper levels are not indented further, so that a hostile payload stays readable. */
const DEEPEST = 20
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\]:,]|[^\s{}[\]:,"]+/gs
const OPENING = /^[{[]$/
const CLOSING = /^[}\]]$/
