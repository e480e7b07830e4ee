import { html } from 'ghtml'
import type { Account } from '../../../lms/apis/accounts.ts'
import type { Person, Sale } from '../../../operators/changes/operations.ts'
import { reasonSentence } from '../../../sale/words.ts'
import { stateHtml, supportUrl, testHtml, timeHtml } from '../../layout/format.ts'
import { listTable } from '../../layout/list-table.ts'
import type { Answered } from '../../layout/lms-calls.ts'
import { fill, fillBoth, TEXTS } from '../../layout/texts.ts'
import { courseListHtml } from './course-table.ts'
import { queryText } from './list-query.ts'

const words = TEXTS.people

/** Returns the box with the account that the LMS has now. */
export function accountHtml(account: Answered<Account>, lmsUrl: string): string {
  if (!account.ok) {
    const reason = account.message.replace(/\.$/, '')
    const { title, text } = fillBoth(words.unread, { reason })
    return html`<div class="note warning"><h2>${title}</h2><p>${text}</p></div>`
  }
  const { status } = account.value
  const { grade, title } = words.accounts[status]
  const address = 'address' in account.value ? account.value.address : ''
  const name = 'username' in account.value ? account.value.username : null
  const link =
    name === null
      ? ''
      : html`<p>${words.username} ${name} · <a href="${supportUrl(name, lmsUrl)}">${TEXTS.delivery.inLms}</a></p>`
  return html`<div class="note ${grade}"><h2>${title}</h2><p>${fill(words.accounts[status].text, { address })}</p>!${link}</div>`
}

/** Returns the sales of a person with what is known about each course, newest first. */
export function salesHtml(
  { email, sales, salesCount }: Person,
  { base, lmsUrl }: { base: string; lmsUrl: string },
): string {
  if (sales.length === 0) return html`<p class="note">${words.noSales}</p>`
  const more = html`<p class="note">${fill(words.moreSales, { count: `${sales.length}` })} <a href="${base}/deliveries${queryText({ q: email })}">${words.allSales}</a></p>`
  const rows = sales.map((sale) => cellsOf(sale, { base, lmsUrl }))
  return html`<h2>${words.sales}</h2>!${salesCount > sales.length ? more : ''}!${listTable({ columns: words.columns, rows })}`
}

function cellsOf(sale: Sale, { base, lmsUrl }: { base: string; lmsUrl: string }): string[] {
  const { id, state, source, outcome, unreadable, receivedAt } = sale
  const why = unreadable ?? (outcome === null || outcome.reason === null ? null : reasonSentence(outcome.reason))
  return [
    html`<div>!${stateHtml(state)} !${testHtml(source)}</div>`,
    html`<div>!${why === null ? '' : html`<p>${why}</p>`}!${courseListHtml(sale, lmsUrl)}</div>`,
    html`<div><a href="${base}/deliveries/${id}"><code>${id}</code></a><br>!${timeHtml(receivedAt)}</div>`,
  ]
}
