import { html } from 'ghtml'
import type { Summary } from '../../../operators/changes/operations.ts'
import { reasonSentence } from '../../../sale/words.ts'
import { agoHtml, stateHtml, testHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { type Now, outcomeLineHtml } from './list-outcome.ts'

const words = TEXTS.deliveries
const PREFIX = 'course-v1:'

interface Table extends Now {
  readonly base: string
  /** The filters of the list as the end of an address: the delivery's page then knows its neighbors in this list. */
  readonly list?: string
}

/**
 * Returns deliveries as a table; each row links to the delivery's page. A narrow screen shows each row as a card. That
 * style removes the roles of a table, so the elements name them explicitly.
 */
export function tableHtml(items: readonly Summary[], { base, list = '', ...now }: Table): string {
  const head = words.columns.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)
  const rows = items.map((item) => rowHtml(item, { base, list, ...now }))
  return html`<table class="deliveries" role="table"><thead role="rowgroup"><tr role="row">!${head.join('')}</tr></thead>
<tbody role="rowgroup">!${rows.join('\n')}</tbody></table>`
}

/** The id of a row lets an update keep the rows that are still there. */
function rowHtml(item: Summary, { base, list = '', ...now }: Table): string {
  const { id, state, email, name, activeAt, source, outcome } = item
  const address = email ?? words.noEmail
  const why = outcome === null || outcome.reason === null ? '' : html` title="${reasonSentence(outcome.reason)}"`
  return html`<tr role="row" id="row-${id}">
<td role="cell">!${stateHtml(state)} !${testHtml(source)}</td>
<td role="cell"><a class="row-link" href="${base}/deliveries/${id}${list}" title="${address}"><span>${name || words.noName}</span> <small>${address}</small></a></td>
<td role="cell">!${coursesHtml(item)}</td>
<td role="cell"!${why}>!${outcomeLineHtml(item, now)}</td>
<td role="cell">!${agoHtml(activeAt)}</td></tr>`
}

/** The first course, without the beginning that all keys share, and how many more there are. */
function coursesHtml({ courseIds }: Summary): string {
  const [first, ...more] = courseIds
  if (first === undefined) return ''
  const short = first.startsWith(PREFIX) ? first.slice(PREFIX.length) : first
  const rest =
    more.length === 0
      ? ''
      : html` <span title="${more.join(', ')}">${fill(words.moreCourses, { count: `${more.length}` })}</span>`
  return html`<code title="${first}">${short}</code>!${rest}`
}
