import { html } from 'ghtml'
import type { Account } from '../../../lms/apis/accounts.ts'
import { wordsOf } from '../../../operators/find/filter.ts'
import type { Summary } from '../../../operators/find/listing.ts'
import { textsLike } from '../../../operators/find/similar.ts'
import { foldLetters } from '../../../queue/search-terms.ts'
import { deliverySentence } from '../../../sale/delivery-sentence.ts'
import type { CourseName } from '../../layout/course-names.ts'
import { fillCount, stateHtml, timeHtml } from '../../layout/format.ts'
import { TEXTS, textNamed } from '../../layout/texts.ts'
import type { Answered } from '../../lms-calls.ts'
import { queryText } from '../deliveries/list-filters.ts'
import { accountStateHtml } from '../deliveries/people-page.ts'

const words = TEXTS.palette

/** What a search found. */
export interface Hits {
  /** As it was typed, without white space around it. */
  readonly text: string
  /** Its words, without letter case and accents. */
  readonly words: readonly string[]
  /** The newest sale of each person whose name, address or username has the words. */
  readonly people: readonly Summary[]
  readonly deliveries: readonly Summary[]
  /** Courses that the LMS has or the shop sold, and how many sales of the last 30 days each has. */
  readonly courses: readonly { readonly key: string; readonly sales: number }[]
  /** The first of these days, `YYYY-MM-DD`. */
  readonly since: string
  readonly courseName: CourseName
  /** If the text is an address without a sale: what the LMS knows of it, similar buyers, and the way to its page. */
  readonly noSale: {
    readonly account: Answered<Account>
    readonly similar: readonly Summary[]
    readonly person: string | null
  } | null
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
export function hitsHtml(hits: Hits): string {
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
  const said = noSale === null ? saidOf(found) : words.noSale
  const above =
    noSale === null
      ? found.length > 0
        ? ''
        : html`<div class="none"><p>${words.nothing}</p></div>`
      : html`<div class="none"><p><strong>${words.noSale}</strong></p><p>${words.inLms} !${accountStateHtml(noSale.account)}</p></div>`
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

function personHit(item: Summary, { words: searched }: Hits): Hit {
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
    below: html`!${isolated(buyer, hits.words)} · !${timeHtml(item.receivedAt)}`,
    side: stateHtml(item.state),
  }
}

function coursesHtml({ courseIds }: Summary, { courseName, words: searched }: Hits): string {
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
    name: isolated(name ?? key, hits.words),
    below: name === null ? '' : isolated(key, hits.words),
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
 * @param words without letter case and accents: see wordsOf
 */
export function markedHtml(text: string, words: readonly string[]): string {
  const letters = [...text]
  // The place in `letters` of each unit of the folded text, because a letter may become several, or none.
  const places = letters.flatMap((letter, place) =>
    foldLetters(letter)
      .split('')
      .map(() => place),
  )
  const searched = letters.map(foldLetters).join('')
  const isMarked = new Set<number>()
  for (const word of words) {
    if (word === '') continue
    for (let at = searched.indexOf(word); at >= 0; at = searched.indexOf(word, at + 1)) {
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
