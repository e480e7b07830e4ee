import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Account } from '../../../lms/apis/accounts.ts'
import { isWholeAddress, type Person, type Sale } from '../../../operators/find/people.ts'
import { reasonSentence } from '../../../sale/words.ts'
import { csrfField, doneHtml, hiddenField, listTable } from '../../layout/elements.ts'
import { stateHtml, supportUrl, testHtml, timeHtml } from '../../layout/format.ts'
import { sendPage } from '../../layout/layout.ts'
import { formOf, sessionOf, type WithId } from '../../layout/request.ts'
import { fill, fillBoth, TEXTS } from '../../layout/texts.ts'
import type { Answered, PageParts } from '../../parts.ts'
import { leadToPage, sentForm } from '../../session/sent-form.ts'
import { courseListHtml } from './course-table.ts'
import { timelineHtml } from './delivery-history.ts'
import { queryText } from './list-query.ts'

const words = TEXTS.people
/** Longer than any address, so that a longer text is refused and not cut. */
const EMAIL_MAX = 400

/**
 * Adds the page of a person. Its address names one of the person's deliveries, and a form asks for a person by e-mail
 * address, so that no address of a person gets into the access log of a proxy.
 */
export function addPeople(parts: PageParts): void {
  const { scope, operations, checkNow } = parts
  const path = '/people'
  const crumbs = [{ path, label: words.title }]
  const hereOf = ({ site, params: { id } }: FastifyRequest<WithId>): string =>
    `${site.base}${path}/${encodeURIComponent(id)}`

  /** @param sent what an operator searched for; null: nothing yet */
  const send = async (reply: FastifyReply, sent: URLSearchParams | null): Promise<FastifyReply> => {
    const { request } = reply
    if (sent === null) {
      const main = html`<p>${words.intro}</p>!${searchHtml(request, '')}`
      return sendPage({ reply, title: words.title, current: path, main })
    }
    const email = readEmail(sent)
    if (!isWholeAddress(email)) {
      const problem = html`<p class="note warning" role="alert">${words.notWhole}</p>`
      return sendPage({ reply, title: words.title, current: path, main: problem + searchHtml(request, email) })
    }
    const person = await operations.person(email)
    const [newest] = person.sales
    if (newest !== undefined) return reply.redirect(`${request.site.base}${path}/${newest.id}`, 303)
    const main = await personHtml(parts, { request, person, here: null })
    return sendPage({ reply, title: person.email, crumbs, current: path, main })
  }

  scope.get(path, (request, reply) => send(reply, sentForm(request)))

  // It changes nothing, so it works while the LMS can't confirm the operator.
  scope.post(path, { config: { unconfirmed: true } }, async (request, reply) => {
    const values = new URLSearchParams({ email: readEmail(formOf(request)) })
    return leadToPage({ reply, path: request.site.base + path, values }, () => send(reply, values))
  })

  scope.get<WithId>(`${path}/:id`, async (request, reply) => {
    const person = await operations.buyerOf(request.params.id)
    if (person === null) return reply.callNotFound()
    const main = doneHtml(request, words.done) + (await personHtml(parts, { request, person, here: hereOf(request) }))
    return sendPage({ reply, title: person.email, crumbs, current: path, main })
  })

  scope.post<WithId>(`${path}/:id/check`, async (request, reply) => {
    const person = await operations.buyerOf(request.params.id)
    if (person === null) return reply.callNotFound()
    const checked = await checkNow({ ids: checkable(person), by: sessionOf(request).username })
    const done: keyof typeof words.done = checked.some((one) => 'failure' in one) ? 'unchecked' : 'checked'
    return reply.redirect(`${hereOf(request)}?done=${done}`, 303)
  })
}

/** Reads the address in a posted form. */
export const readEmail = (form: URLSearchParams): string => (form.get('email') ?? '').trim().slice(0, EMAIL_MAX)

/** The next attempt checks a queued sale by itself. */
const checkable = ({ sales }: Person): string[] =>
  sales.filter(({ state, request }) => state !== 'queued' && request !== null).map(({ id }) => id)

function searchHtml(request: FastifyRequest, email: string): string {
  return html`<form method="post" action="${request.site.base}/people" class="stack">!${csrfField(request)}
<label for="email">${words.email}</label><input id="email" name="email" value="${email}" inputmode="email" size="40" spellcheck="false" autocomplete="off" maxlength="${EMAIL_MAX}" required>
<button>${words.show}</button></form>`
}

/** Returns a button that leads to the page of a person, with or without a sale. */
export const personButton = (request: FastifyRequest, email: string): string =>
  html`<form method="post" action="${request.site.base}/people" class="tools">!${csrfField(request)}!${hiddenField('email', email)}<button class="plain">${fill(words.showAddress, { email })}</button></form>`

/** @param of.here the address of the page; null if there is no sale to name */
async function personHtml(
  { lms, lmsUrl }: PageParts,
  { request, person, here }: { request: FastifyRequest; person: Person; here: string | null },
): Promise<string> {
  const { email, sales, timeline, hasMoreEvents } = person
  const { base } = request.site
  const account = await lms.account(email)
  const csrf = csrfField(request)
  const check = html`<form method="post" action="${here ?? ''}/check">!${csrf}<button>${words.check}</button></form>`
  const forget = html`<form method="post" action="${base}/people/forget">!${csrf}!${hiddenField('email', email)}<button class="second">${words.forget}</button></form>`
  const history = html`<h2>${TEXTS.delivery.timeline}</h2>!${hasMoreEvents ? html`<p>${words.moreEvents}</p>` : ''}!${timelineHtml({ events: timeline, base })}`
  const sold = sales.find((sale) => sale.request !== null)?.request
  const name = sold ? fill(words.buyer, { name: `${sold.name} ${sold.family}`, username: sold.username }) : ''
  return html`!${name === '' ? '' : html`<p class="quiet"><bdi>${name}</bdi></p>`}!${accountHtml(account, lmsUrl)}
<div class="actions">!${here !== null && checkable(person).length > 0 ? check : ''}!${forget}</div>
!${salesHtml(person, { base, lmsUrl })}
!${sales.length === 0 ? '' : history}`
}

/** Returns the box with the account that the LMS has now. */
function accountHtml(account: Answered<Account>, lmsUrl: string): string {
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
      : html`<p>${words.username} <bdi>${name}</bdi> · <a href="${supportUrl(name, lmsUrl)}">${TEXTS.delivery.inLms}</a></p>`
  return html`<div class="note ${grade}"><h2>${title}</h2><p>${fill(words.accounts[status].text, { address })}</p>!${link}</div>`
}

/** Returns the sales of a person with what is known about each course, newest first. */
function salesHtml({ email, sales, salesCount }: Person, { base, lmsUrl }: { base: string; lmsUrl: string }): string {
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
