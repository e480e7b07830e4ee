import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { type Account, type AccountById, isSameAddress, isThere } from '../../../lms/apis/accounts.ts'
import type { Summary } from '../../../operators/find/listing.ts'
import { isWholeAddress, type Person } from '../../../operators/find/people.ts'
import { deliverySentence } from '../../../sale/delivery-sentence.ts'
import { hasOrder, type LmsAccount } from '../../../sale/line.ts'
import { isStopped } from '../../../sale/types.ts'
import { type CourseLinks, type CourseName, factHtml } from '../../layout/course-names.ts'
import { copyButton, doneHtml, hiddenFields, invalidMark, listTable, problemHtml } from '../../layout/elements.ts'
import { fillCount, numberText, stateHtml, supportUrl, testHtml, timeHtml } from '../../layout/format.ts'
import { fill, fillBoth, TEXTS } from '../../layout/texts.ts'
import type { Answered } from '../../lms-calls.ts'
import type { PageParts } from '../../parts.ts'
import { checkForOperator } from './check-now.ts'
import { courseListHtml } from './delivery-facts.ts'
import { timelineHtml } from './delivery-timeline.ts'
import { queryText } from './list-filters.ts'
import { tableHtml } from './list-rows.ts'
import { accountReply, isWaiting, type Reply, replyHtml } from './replies.ts'

const words = TEXTS.people
/** So many accounts of one address are asked for: more than one is rare. */
const MOVED_MAX = 5
/** Longer than any address, so that a longer text is refused and not cut. */
const EMAIL_MAX = 400

/**
 * Adds the page of a person. Its address names one of the person's deliveries, and a form asks for a person by e-mail
 * address, so that no address of a person gets into the access log of a proxy.
 */
export function addPeople(parts: PageParts): void {
  const { scope, operations } = parts
  const path = '/people'
  const crumbs = [{ path, label: words.title }]

  scope.page(path, async ({ request, sent }) => {
    if (sent === null) {
      const main = html`<p>${words.intro}</p>!${searchHtml('')}`
      return { title: words.title, current: path, main }
    }
    const email = readEmail(sent)
    if (!isWholeAddress(email)) {
      const main = problemHtml(words.notWhole) + searchHtml(email, true)
      return { title: words.title, current: path, main }
    }
    const person = await operations.person(email)
    const [newest] = person.sales
    if (newest !== undefined) return `${path}/${newest.id}`
    const main = await personHtml(parts, { request, person, here: null })
    return { ...headOf(person), crumbs, current: path, main }
  })

  // It changes nothing, so it works while the LMS can't confirm the operator.
  scope.form(path, async ({ form }) => ({ values: new URLSearchParams({ email: readEmail(form) }) }), {
    unconfirmed: true,
  })

  scope.page(`${path}/:id`, async ({ request, id }) => {
    const person = await operations.buyerOf(id)
    if (person === null) return null
    const here = `~${path}/${id}`
    const main = doneHtml(request, words.done) + (await personHtml(parts, { request, person, here }))
    return { ...headOf(person), crumbs, current: path, main }
  })

  scope.form(`${path}/:id/check`, async ({ id, by }) => {
    const person = await operations.buyerOf(id)
    if (person === null) return null
    const found = await checkForOperator(parts, { ids: checkable(person), by })
    return `${path}/${id}?done=${found ? 'checked' : 'unchecked'}`
  })
}

function headOf({ email, sales }: Person): { title: string; intro?: string } {
  const sold = sales.find(({ request }) => request !== null)
  if (!sold?.name) return { title: email }
  const username = sold.username ?? ''
  return { title: sold.name, intro: html`<bdi>${email}</bdi> · <bdi>${fill(words.buyer, { username })}</bdi>` }
}

/** Returns the address in a form as it was posted, without white space around it. It may be none. */
export const readEmail = (form: URLSearchParams): string => (form.get('email') ?? '').trim().slice(0, EMAIL_MAX)

/** The next attempt checks a queued sale by itself. */
const checkable = ({ sales }: Person): string[] =>
  sales.filter(({ state, request }) => state !== 'queued' && request !== null).map(({ id }) => id)

function searchHtml(email: string, isInvalid = false): string {
  return html`<form method="post" action="~/people" class="stack">
<label for="email">${words.email}</label><input id="email" name="email" value="${email}" inputmode="email" size="40" spellcheck="false" autocomplete="off" maxlength="${EMAIL_MAX}" required!${invalidMark(isInvalid)}>
<button>${words.show}</button></form>`
}

/** Returns a button that leads to the page of a person, with or without a sale. */
export const personButton = (email: string): string =>
  html`<form method="post" action="~/people" class="tools">!${hiddenFields({ email })}<button class="plain">${fill(words.showAddress, { email })}</button></form>`

/** @param of.here the address of the page; null if there is no sale to name */
async function personHtml(
  parts: PageParts,
  { request, person, here }: { request: FastifyRequest; person: Person; here: string | null },
): Promise<string> {
  const { lms, lmsUrl, now, operations } = parts
  const { email, sales, timeline, hasMoreEvents } = person
  const account = await lms.account(email)
  const reply = account.ok
    ? accountReply({ sales, status: account.value.status, lmsUrl, courseName: request.courseName })
    : null
  const check = html`<form method="post" action="${here ?? ''}/check"><button class="second">${TEXTS.delivery.check}</button></form>`
  const forget = html`<form method="post" action="~/people/forget">!${hiddenFields({ email })}<button class="danger">${words.forget}</button></form>`
  const history = html`<h2>${TEXTS.delivery.timeline}</h2>!${hasMoreEvents ? html`<p>${words.moreEvents}</p>` : ''}!${timelineHtml({ events: timeline, request, now: now() })}`
  const moved = (await movedAccounts(lms, { person, account })).map((one) => movedHtml(one, lmsUrl))
  const elsewhere = await operations.boughtAs({ accountIds: accountIdsOf(person, account), email })
  const similar = sales.length + elsewhere.length === 0 ? await operations.similarBuyers(email) : []
  const found =
    similar.length === 0 ? '' : html`<h2>${TEXTS.palette.similar}</h2>!${tableHtml(similar, { parts, request })}`
  const sold = sales.length > 0 ? salesHtml(person, { lmsUrl, courseName: request.courseName }) + history : ''
  const box = accountHtml(account, { lmsUrl, reply, waits: sales.some((sale) => isWaiting(deliverySentence(sale))) })
  return html`!${box}!${moved.join('')}!${elsewhereHtml(elsewhere)}
!${here !== null && checkable(person).length > 0 ? check : ''}
!${sold || found + noSalesHtml({ isElsewhere: elsewhere.length > 0, isListed: similar.length > 0 })}
<div class="actions">!${forget}</div>`
}

/**
 * Returns the box with the account that the LMS has now.
 * @param of.waits whether a sale waits for the account
 * @param of.reply what to write to the person, who has to do something now; null: nothing
 */
function accountHtml(
  account: Answered<Account>,
  { lmsUrl, reply, waits }: { lmsUrl: string; reply: Reply | null; waits: boolean },
): string {
  if (!account.ok) {
    const { title, text } = fillBoth(words.unread, { reason: account.message })
    return html`<div class="note warning"><h2>${title}</h2><p>${text}</p></div>`
  }
  const { status, address } = { address: '', ...account.value }
  const about = words.accounts[status]
  const then = waits && 'waits' in about ? ` ${about.waits}` : ''
  const link = 'username' in account.value ? usernameHtml(account.value, lmsUrl) : ''
  const answer =
    reply === null
      ? ''
      : html`<div class="actions">!${copyButton({ copies: `reply-${reply.to}`, label: TEXTS.delivery.copyReply[reply.to] })}</div>!${replyHtml(reply)}`
  return html`<div class="note box ${about.grade}"><h2>${about.title}</h2><p>${fill(words.accounts[status].text, { address })}${then}</p>!${link}!${answer}</div>`
}

/** Returns the same as accountHtml in a few words, for a line in which an address is named. */
export function accountStateHtml(account: Answered<Account>): string {
  if (!account.ok) {
    return html`<span class="quiet">${fill(words.unknownState, { reason: account.message })}</span>`
  }
  const { status } = account.value
  const { username, address } = { username: '', address: '', ...account.value }
  const text = fill(words.states[status].text, { username, address })
  return html`<span class="state ${words.states[status].state}"><bdi>${text}</bdi></span>`
}

const usernameHtml = ({ username }: { username: string }, lmsUrl: string): string =>
  html`<p>${words.username} <bdi>${username}</bdi> · <a href="${supportUrl(username, lmsUrl)}">${TEXTS.delivery.inLms}</a></p>`

/** The LMS's numbers of the account that has the address now, and of those that its sales were given to. */
function accountIdsOf({ sales }: Person, account: Answered<Account>): number[] {
  const id = account.ok && 'id' in account.value ? account.value.id : undefined
  const given = accountsIn(sales).map((one) => one.id)
  return [...new Set(id === undefined ? given : [id, ...given])]
}

const accountsIn = (sales: readonly Summary[]): LmsAccount[] =>
  sales.flatMap(({ lines }) => lines.flatMap(({ account }) => account ?? []))

function elsewhereHtml(found: Awaited<ReturnType<PageParts['operations']['boughtAs']>>): string {
  if (found.length === 0) return ''
  const items = found.map(
    ({ email, newest, count }) =>
      html`<li><a href="~/people/${newest}"><bdi>${email}</bdi></a>, ${fillCount(words.count, count)}</li>`,
  )
  return html`<div class="note"><p>${words.elsewhere}</p><ul>!${items.join('')}</ul></div>`
}

type Moved = Exclude<AccountById, { status: 'gone' }>

/** The accounts that courses of these sales were given to, and that have another address now. One call for each. */
async function movedAccounts(
  lms: PageParts['lms'],
  { person: { email, sales }, account }: { person: Person; account: Answered<Account> },
): Promise<Moved[]> {
  if (!account.ok) return []
  const there = account.value
  const known = new Map(accountsIn(sales).map((one) => [one.id, one]))
  const left = [...known.values()].filter((one) => !isThere(there, one))
  const moved: Moved[] = []
  for (const one of left.slice(0, MOVED_MAX)) {
    const found = await lms.accountById(one)
    if (!found.ok) return moved
    const { value } = found
    if (value.status === 'registered' && !isSameAddress(value.address, email)) moved.push(value)
  }
  return moved
}

function movedHtml(account: Moved, lmsUrl: string): string {
  const { title, text } = fillBoth(words.moved, { address: account.address })
  return html`<div class="note warning"><h2>${title}</h2><p>${text}</p>!${usernameHtml(account, lmsUrl)}</div>`
}

/** What to do if nothing was sold to an address. Its account may have bought elsewhere, or similar buyers are listed. */
function noSalesHtml({ isElsewhere, isListed }: { isElsewhere: boolean; isListed: boolean }): string {
  const refused = html`<a href="~/refused">${TEXTS.refused.title}</a>`
  const next = isElsewhere ? '' : html` ${isListed ? words.noneOfThese : words.otherAddress} !${refused}.`
  return html`<p class="note">${words.noSales}!${next}</p>`
}

function salesHtml({ email, sales, salesCount }: Person, links: CourseLinks): string {
  const more = html`<p class="note">${fillCount(words.moreSales, sales.length)} <a href="~/deliveries${queryText({ q: email })}">${words.allSales}</a></p>`
  const rows = sales.map((sale) => cellsOf(sale, links))
  return html`<h2>${words.sales} <span class="n">${numberText(salesCount)}</span></h2>!${salesCount > sales.length ? more : ''}!${listTable({ columns: words.columns, rows })}`
}

function cellsOf(sale: Summary, links: CourseLinks): string[] {
  const { id, state, source, receivedAt } = sale
  const why = whyHtml(sale, links.courseName)
  return [
    html`<div>!${stateHtml(state)} !${testHtml(source)}</div>`,
    html`<div>!${why === '' ? '' : html`<p>!${why}</p>`}!${courseListHtml(sale, links)}</div>`,
    html`<div><a href="~/deliveries/${id}"><code>${id}</code></a><br>!${timeHtml(receivedAt)}</div>`,
  ]
}

/** What is true of a sale, where its state and its courses don't say it. */
function whyHtml(sale: Summary, courseName: CourseName): string {
  const { state, unreadable, replacedBy } = sale
  if (unreadable !== null) return html`${unreadable}`
  if (replacedBy !== null && isStopped(state))
    return html`${TEXTS.delivery.replacedNote} <a href="~/deliveries/${replacedBy}">${replacedBy}</a>.`
  const sentence = deliverySentence(sale)
  return (sentence.situation === 'enrolled' || isWaiting(sentence)) && !hasOrder(sale)
    ? ''
    : factHtml(sentence, courseName)
}
