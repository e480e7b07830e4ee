import { html } from 'ghtml'
import type { Shown } from '../../../operators/changes/operations.ts'
import { formText } from '../../../sale/words.ts'
import { stateHtml, supportUrl, testHtml, timeHtml } from '../../layout/format.ts'
import { TEXTS } from '../../layout/texts.ts'
import { formatJson } from './format-json.ts'

const words = TEXTS.delivery

/** Returns what is known of a delivery, as a list beside its result. */
export function factsHtml(delivery: Shown, lmsUrl: string): string {
  const { id, request, receivedAt, activeAt, dueAt, attempts, form, state, source, webhookId } = delivery
  const rows = [
    [words.state, `${stateHtml(state)} ${testHtml(source)}`],
    ...(request === null ? [] : buyerRows(request, lmsUrl)),
    [words.received, timeHtml(receivedAt, 'seconds')],
    [words.active, timeHtml(activeAt, 'seconds')],
    ...(dueAt === null ? [] : [[words.due, timeHtml(dueAt, 'seconds')]]),
    ...(attempts === 0 ? [] : [[words.attempts, html`${attempts}`]]),
    source === 'shop' ? [words.form, html`${formText(form)}`] : [words.source, html`${words.sources[source]}`],
    ...(webhookId === null ? [] : [[words.webhookId, html`<code>${webhookId}</code>`]]),
    [words.id, html`<code>${id}</code>`],
  ]
  return html`<dl class="facts">!${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>!${value}</dd></div>`).join('')}</dl>`
}

/** Returns the payload as the shop sent it, indented. */
export function payloadHtml({ body }: Pick<Shown, 'body'>): string {
  const text = formatJson(Buffer.from(body).toString('utf8'))
  return html`<h2>${words.payload}</h2><pre tabindex="0" aria-label="${words.payload}">${text}</pre>`
}

function buyerRows({ email, name, family, username }: NonNullable<Shown['request']>, lmsUrl: string): string[][] {
  const link = html`${email} <a href="${supportUrl(email, lmsUrl)}">${words.inLms}</a>`
  return [
    [words.email, link],
    [words.name, html`${name} ${family}`],
    [words.username, html`${username}`],
  ]
}
