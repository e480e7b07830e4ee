import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { isTypedAddress, wordsOf } from '../../operators/find/filter.ts'
import type { Summary } from '../../operators/find/listing.ts'
import { textsLike } from '../../operators/find/similar.ts'
import { type StateCounts, totalOf } from '../../operators/reports/counts.ts'
import { emailTerm, fold, foldKey, foldLetters } from '../../queue/search-terms.ts'
import { deliverySentence } from '../../sale/delivery-sentence.ts'
import { fillCount, stateHtml, timeHtml } from '../layout/format.ts'
import { boundsOf } from '../layout/period.ts'
import { formOf } from '../layout/request.ts'
import { sendHtml } from '../layout/send-html.ts'
import { TEXTS, textNamed } from '../layout/texts.ts'
import type { PageParts } from '../parts.ts'
import { addressWith } from '../session/sent-form.ts'
import { queryText } from './deliveries/list-filters.ts'
import { accountStateHtml } from './deliveries/people-page.ts'

const words = TEXTS.palette
const TEXT_MAX = 300
/** How many deliveries a search reads: enough for the people and the courses in them. */
const READ = 30
const SHOWN = 4
/** What is stored is shown without the LMS's answer if that takes longer, ms. */
const ACCOUNT_WITHIN_MS = 2_000

/**
 * Adds what the search field of every page shows while an operator types: people, deliveries and courses. It is asked for
 * with a form, so that no address of a person gets into the access log of a proxy, and it changes nothing.
 */
export function addSearch(parts: PageParts): void {
  parts.scope.post('/search', { config: { unconfirmed: true } }, async (request, reply) => {
    const text = (formOf(request).get('q') ?? '').trim().slice(0, TEXT_MAX)
    const hits = await findHits(parts, { request, text })
    return sendHtml(reply, hitsHtml(hits))
  })
}

/** @param of.text as it was typed, without white space around it */
async function findHits(parts: PageParts, of: { request: FastifyRequest; text: string }) {
  const { operations, readCatalogue, now } = parts
  const { request, text } = of
  const searched = wordsOf(text)
  const month = boundsOf({ from: '', to: '' }, { now: now(), zone: request.zone })
  const [{ items }, sold, catalogue] = await Promise.all([
    operations.list({ filter: { find: text }, limit: READ }),
    operations.salesByCourse({ from: month.from, to: month.to }),
    readCatalogue(),
  ])
  const { courseName } = request
  const isNamed = (one: string): boolean => searched.length > 0 && searched.every((word) => fold(one).includes(word))
  const byAddress = new Map<string, Summary>()
  for (const item of items) {
    const { email, name, username } = item
    if (email === null || !isNamed(`${email} ${name ?? ''} ${username ?? ''}`)) continue
    if (!byAddress.has(emailTerm(email))) byAddress.set(emailTerm(email), item)
  }
  const isUnsold = isTypedAddress(text) && !byAddress.has(emailTerm(text))
  return {
    text,
    /** Its words, without letter case and accents. */
    searched,
    /** The newest sale of each person whose name, address or username has the words. */
    people: [...byAddress.values()].slice(0, SHOWN),
    deliveries: items.slice(0, SHOWN),
    courses: coursesOf(sold.value.courses, catalogue.courses)
      .filter(({ key }) => isNamed(`${courseName(key) ?? ''} ${key}`))
      .slice(0, SHOWN),
    /** The first of the days of which a course has its number of sales, `YYYY-MM-DD`. */
    since: month.period.from,
    courseName,
    noSale: isUnsold ? await findNoSale(parts, of) : null,
  }
}
type Hits = Awaited<ReturnType<typeof findHits>>

/** The courses that were sold in the last 30 days, most often first, and then the others of the LMS. */
function coursesOf(
  sold: readonly { readonly course: string; readonly counts: StateCounts }[],
  listed: readonly { readonly key: string }[],
): { readonly key: string; readonly sales: number }[] {
  const known = new Set(sold.map(({ course }) => foldKey(course)))
  return [
    ...sold.map(({ course, counts }) => ({ key: course, sales: totalOf(counts) })),
    ...listed.filter(({ key }) => !known.has(foldKey(key))).map(({ key }) => ({ key, sales: 0 })),
  ]
}

/** Of an address without a sale: what the LMS knows of it, similar buyers, and the way to its page. */
async function findNoSale(
  { operations, lms }: PageParts,
  { request, text }: { request: FastifyRequest; text: string },
) {
  const [account, similar] = await Promise.all([lms.account(text, ACCOUNT_WITHIN_MS), operations.similarBuyers(text)])
  const person = addressWith({ request, path: '/people', values: new URLSearchParams({ email: text }) })
  return { account, similar, person }
}

/** One result: where it leads, and its parts as escaped HTML. */
interface Hit {
  readonly href: string
  readonly name: string
  readonly below: string
  readonly side?: string
}

/**
 * Returns what a search found as a list box with links, which palette.js shows below the search field. `data-for` has the
 * text that was searched for, and `data-said` what a screen reader says of the result.
 */
function hitsHtml(hits: Hits): string {
  const { text, people, deliveries, courses, noSale } = hits
  const groups =
    noSale === null
      ? [
          { title: TEXTS.people.title, hits: people.map((one) => personHit(one, hits)) },
          { title: TEXTS.deliveries.title, hits: deliveries.map((one) => deliveryHit(one, hits)) },
          { title: TEXTS.courses.title, hits: courses.map((one) => courseHit(one, hits)) },
        ]
      : [{ title: words.similar, hits: noSale.similar.map((one) => similarHit(one, hits)) }]
  const more = [...(noSale?.person ? [personPageHit(text, noSale.person)] : []), listHit(hits)]
  const found = groups.filter((group) => group.hits.length > 0)
  const said = noSale === null ? saidOf(found) : TEXTS.people.noSales
  const above =
    noSale === null
      ? found.length > 0
        ? ''
        : html`<div class="none"><p>${words.nothing}</p></div>`
      : html`<div class="none"><p><strong>${TEXTS.people.noSales}</strong></p><p>${words.inLms} !${accountStateHtml(noSale.account)}</p></div>`
  const list = [...found, { title: words.more, hits: more }].map(groupHtml).join('')
  return html`<div class="found-now" data-for="${text}" data-said="${said}">!${above}
<div id="hit-list" role="listbox" aria-label="${words.results}">!${list}</div></div>`
}

function groupHtml({ title, hits }: { title: string; hits: readonly Hit[] }): string {
  const options = hits.map(
    ({ href, name, below, side = '' }) =>
      html`<a class="hit" role="option" aria-selected="false" tabindex="-1" href="${href}"><span>!${name} <small>!${below}</small></span> <span class="side-word">!${side}</span></a>`,
  )
  return html`<div role="group" aria-label="${title}"><p class="hits-group" aria-hidden="true">${title}</p>!${options.join('\n')}</div>`
}

/** “2 people, 3 deliveries”, for who doesn't see the list. */
const saidOf = (groups: readonly { title: string; hits: readonly Hit[] }[]): string =>
  groups.length === 0 ? words.nothing : groups.map(({ title, hits }) => `${title}: ${hits.length}`).join(', ')

const isolated = (text: string, searched: readonly string[]): string => html`<bdi>!${markedHtml(text, searched)}</bdi>`

function personHit(item: Summary, { searched }: Hits): Hit {
  const { situation } = deliverySentence(item)
  const account = textNamed(words.accounts, situation)
  return {
    href: `~/people/${item.id}`,
    name: isolated(item.name || (item.email ?? ''), searched),
    below: isolated(item.email ?? '', searched),
    side: account === undefined ? '' : html`<span class="state ${account.state}">${account.text}</span>`,
  }
}

function deliveryHit(item: Summary, hits: Hits): Hit {
  const buyer = item.name || item.email || TEXTS.deliveries.noEmail
  return {
    href: `~/deliveries/${item.id}`,
    name: coursesHtml(item, hits),
    below: html`!${isolated(buyer, hits.searched)} · !${timeHtml(item.receivedAt)}`,
    side: stateHtml(item.state),
  }
}

function coursesHtml({ courseIds }: Summary, { courseName, searched }: Hits): string {
  const [first, ...more] = courseIds
  if (first === undefined) return html`${TEXTS.delivery.untitled}`
  const rest = more.length === 0 ? '' : html` ${fillCount(TEXTS.deliveries.moreCourses, more.length)}`
  return isolated(courseName(first) ?? first, searched) + rest
}

function courseHit({ key, sales }: Hits['courses'][number], hits: Hits): Hit {
  const name = hits.courseName(key)
  const sold = sales === 0 ? words.notSold : fillCount(words.sales, sales)
  return {
    // What it counts; a course that was not sold lately may have been sold before.
    href: `~/deliveries${queryText({ course: key, sales: 'only', from: sales === 0 ? '' : hits.since })}`,
    name: isolated(name ?? key, hits.searched),
    below: name === null ? '' : isolated(key, hits.searched),
    side: html`<span class="quiet">${sold}</span>`,
  }
}

/** A sale to another address, with what this address shares with it. */
function similarHit(item: Summary, { text, courseName }: Hits): Hit {
  const shared = textsLike(text).texts.flatMap(wordsOf)
  const [first] = item.courseIds
  const course = first === undefined ? '' : html`<bdi>${courseName(first) ?? first}</bdi> · `
  return {
    href: `~/deliveries/${item.id}`,
    name: isolated(item.name || (item.email ?? ''), shared),
    below: html`!${isolated(item.email ?? '', shared)} · !${course}!${timeHtml(item.receivedAt)}`,
    side: stateHtml(item.state),
  }
}

const personPageHit = (email: string, href: string): Hit => ({
  href,
  name: html`${TEXTS.people.show} <bdi>${email}</bdi>`,
  below: html`${words.showPersonHelp}`,
})

const listHit = ({ text }: Hits): Hit => ({
  href: `~/deliveries${queryText({ q: text })}`,
  name: html`${words.list} <bdi>${text}</bdi>`,
  below: html`${words.listHelp}`,
})

/**
 * Returns a text as escaped HTML, with what a search found in it between `<b>` and `</b>`: “lop” in “López”.
 * @param searched words without letter case and accents: see wordsOf
 */
export function markedHtml(text: string, searched: readonly string[]): string {
  const letters = [...text]
  // The place in `letters` of each unit of the folded text, because a letter may become several, or none.
  const places = letters.flatMap((letter, place) =>
    foldLetters(letter)
      .split('')
      .map(() => place),
  )
  const folded = letters.map(foldLetters).join('')
  const isMarked = new Set<number>()
  for (const word of searched) {
    if (word === '') continue
    for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + 1)) {
      for (const place of places.slice(at, at + word.length)) isMarked.add(place)
    }
  }
  const runs: { text: string; marked: boolean }[] = []
  for (const [place, letter] of letters.entries()) {
    const last = runs.at(-1)
    const marked = foldLetters(letter) === '' ? (last?.marked ?? false) : isMarked.has(place)
    if (last?.marked === marked) last.text += letter
    else runs.push({ text: letter, marked })
  }
  return runs.map((run) => (run.marked ? html`<b>${run.text}</b>` : html`${run.text}`)).join('')
}
