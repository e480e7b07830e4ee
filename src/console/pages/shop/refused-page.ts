import { html } from 'ghtml'
import { isAcceptedAgain, type RefusedSender, wrongSignatures } from '../../../shop/senders/view.ts'
import { listTable } from '../../layout/elements.ts'
import { numberText, timeHtml, withCodeHtml } from '../../layout/format.ts'
import { TEXTS, textNamed } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'

const words = TEXTS.refused
/** How many senders are listed, and for how many of them the page says how to repair a wrong signature. */
const SHOWN = 50
const REPAIRED = 3

/** Adds the page that shows where refused webhooks came from: the shop with a wrong secret, or a stranger. */
export function addRefused({ scope, readSenders }: PageParts): void {
  const path = '/refused'
  scope.page(path, async () => {
    const { refused } = await readSenders()
    const rows = refused.slice(0, SHOWN).flatMap(rowsOf)
    const list = listTable({ columns: words.columns, rows, numbers: [4], none: words.none })
    const main = html`!${repairHtml(refused)}!${list}`
    return { title: words.title, intro: html`${words.intro}`, current: path, main }
  })
}

function rowsOf(sender: RefusedSender): string[][] {
  const { address, causes, signedAt } = sender
  return causes.map((cause) => {
    const { code, count, firstAt, lastAt } = cause
    const signed =
      signedAt === null
        ? html`${words.neverSigned}`
        : html`${isAcceptedAgain(sender, cause) ? words.signedAgain : words.signedBefore} !${timeHtml(signedAt)}`
    return [
      html`<div>${textNamed(words.codes, code) ?? code}</div>`,
      html`<div>!${addressHtml(address)}<br><span class="quiet">!${signed}</span></div>`,
      timeHtml(firstAt),
      timeHtml(lastAt),
      numberText(count),
    ]
  })
}

function addressHtml(address: string): string {
  if (address === '') return html`${words.others}`
  return address.includes(':') ? html`<code title="${words.network}">${address}</code>` : html`<code>${address}</code>`
}

/** What to do about wrong signatures, and what the shop has to send again, for the first senders of the list. */
function repairHtml(refused: readonly RefusedSender[]): string {
  const wrong = refused.flatMap((sender) => {
    const found = wrongSignatures(sender)
    return found === null || sender.address === '' ? [] : [{ sender, found }]
  })
  if (wrong.length === 0) return ''
  // Where a sender has the secret, the others are strangers.
  const known = wrong.filter(({ sender }) => sender.signedAt !== null)
  const windows = (known.length > 0 ? known : wrong).slice(0, REPAIRED).map(({ sender, found }) => {
    const again = isAcceptedAgain(sender, found) ? words.acceptedAgain : words.stillRefused
    const [first, last] = [timeHtml(found.firstAt, 'seconds'), timeHtml(found.lastAt, 'seconds')]
    const isOne = Math.floor(found.firstAt / 1000) === Math.floor(found.lastAt / 1000)
    const which = isOne ? html`${words.sendAgainOne} !${last}` : html`${words.sendAgain} !${first} ${words.to} !${last}`
    return html`<li>!${addressHtml(sender.address)}: !${which}. <span class="quiet">${again}</span></li>`
  })
  const steps = words.steps.map((step) => html`<li>!${withCodeHtml(step)}</li>`)
  return html`<section class="note warning"><h2>${words.repair}</h2><p>${words.ifShop}</p>
<ol>!${steps.join('')}</ol><p>${words.windows}</p><ul>!${windows.join('')}</ul>
<p>${words.todo} <a href="~/signature">${TEXTS.signature.title}</a>.</p></section>`
}
