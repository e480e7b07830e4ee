import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { commonEnds } from '../../operators/find/similar.ts'
import { ownPath } from '../session/site.ts'
import { queryOf } from './request.ts'
import { TEXTS, textNamed } from './texts.ts'

/**
 * Returns a table. A narrow screen shows each row as a card, with the column names before the cells. That style removes
 * the roles of a table, so the elements name them explicitly.
 * @param of.rows one cell per column in each row, as escaped HTML
 * @param of.ids what tells the rows apart where an update may bring others: see refreshes
 * @param of.numbers the columns of numbers and of what stands at the right edge, from 0
 * @param of.none what to say if there is no row
 */
export function listTable(of: {
  columns: readonly string[]
  rows: readonly (readonly string[])[]
  ids?: readonly string[]
  numbers?: readonly number[]
  none?: string
}): string {
  if (of.rows.length === 0 && of.none !== undefined) return html`<p>${of.none}</p>`
  const look = (index: number): string => (of.numbers?.includes(index) ? ' class="right"' : '')
  const head = of.columns.map((name, index) => html`<th role="columnheader" scope="col"!${look(index)}>${name}</th>`)
  const rows = of.rows.map((cells, row) => {
    const id = of.ids?.[row] === undefined ? '' : html` id="row-${of.ids[row]}"`
    const named = cells.map(
      (cell, index) => html`<td role="cell"!${look(index)} data-label="${of.columns[index] ?? ''}">!${cell}</td>`,
    )
    return html`<tr role="row"!${id}>!${named.join('\n')}</tr>`
  })
  return html`<table class="list" role="table"><thead role="rowgroup"><tr role="row">!${head.join('')}</tr></thead>
<tbody role="rowgroup">!${rows.join('\n')}</tbody></table>`
}

/** Returns a list of names, each with a value as escaped HTML, without those whose value is ''. */
export function factsHtml(rows: readonly (readonly [name: string, value: string])[]): string {
  const shown = rows.filter(([, value]) => value !== '')
  const items = shown.map(([name, value]) => html`<div><dt>${name}</dt><dd>!${value}</dd></div>`)
  return items.length === 0 ? '' : html`<dl class="facts">!${items.join('')}</dl>`
}

/** Returns a figure for a list of them. `number` and `more`: escaped HTML. */
export const figureHtml = (of: Readonly<Record<'name' | 'number' | 'more' | 'look', string>>): string =>
  html`<div class="${of.look}"><dt>${of.name}</dt><dd>!${of.number}</dd><dd>!${of.more}</dd></div>`

/**
 * Returns a text as code, with a mark where it differs from another one, between what they have in common at both ends.
 * Letter case is no difference.
 * @param look the class of the mark
 */
export function differenceHtml(text: string, other: string, look = ''): string {
  const { start, end } = commonEnds(text.toLowerCase(), other.toLowerCase())
  const differs = text.slice(start, text.length - end)
  const mark = differs === '' ? '' : html`<mark class="${look}">${differs}</mark>`
  return html`<code>${text.slice(0, start)}!${mark}${text.slice(text.length - end)}</code>`
}

/**
 * Returns a button that copies the text of an element. Without JavaScript there is none; see copy.js.
 * @param of.copies the id of the element
 */
export function copyButton(of: { copies: string; label?: string; look?: string; id?: string }): string {
  const { copies, label = TEXTS.copy.button, look = '', id } = of
  return html`<button type="button"!${id === undefined ? '' : html` id="${id}"`} class="${look}" data-copies="${copies}" data-copied="${TEXTS.copy.copied}" data-scripted hidden>${label}</button>`
}

/** Returns a text with a button that copies it. */
export const copyHtml = ({ id, text }: { id: string; text: string }): string =>
  html`<span class="with-copy"><code id="${id}">${text}</code> !${copyButton({ copies: id, look: 'second copy' })}</span>`

/** The parts of a page that an update brings along, so that they don't contradict the part that it is for. */
const BROUGHT = ['health', 'menu', 'notice', 'setup-progress']

/**
 * Returns the attributes of an element that keeps a part of the page up to date: the part with this id becomes that of the
 * answer, element by element, so that open panels, the focus and fields stay; see live.js. Elements that may come and go
 * in it, and that can be opened or focused, need an id. After an error it stays as it is, and is asked for again.
 * @param of.url the address that has the part
 * @param of.seconds the time between two requests
 */
export function refreshes({ url, id, seconds }: { url: string; id: string; seconds: number }): string {
  const brought = BROUGHT.filter((one) => one !== id).map((one) => `#${one}:outerMorph`)
  return html`hx-get="${url}" hx-trigger="every ${seconds}s" data-every="${seconds}" hx-target="#${id}" hx-select="#${id}" hx-select-oob="${brought.join(',')}" hx-status:4xx="swap:none" hx-status:5xx="swap:none"`
}

/**
 * Returns the link to the older entries of a list; '' if there are none.
 * @param of.next the `after` of the next page
 */
export function olderHtml({ url, next }: { url: string; next: string | null }): string {
  if (next === null) return ''
  const older = `${url}?${new URLSearchParams({ after: next })}`
  return html`<p class="actions"><a class="button second" href="${older}">${TEXTS.deliveries.older}</a></p>`
}

/** Returns the fields of a form that its reader doesn't see: those with a value. */
export const hiddenFields = (fields: Readonly<Record<string, string>> | URLSearchParams): string =>
  [...new URLSearchParams(fields)]
    .map(([name, value]) => (value === '' ? '' : html`<input type="hidden" name="${name}" value="${value}">`))
    .join('')

/** The name of the field that seenField returns. */
export const SEEN = 'last_event'

/**
 * Returns the field with the number of the delivery's last event, as the page shows it. A form with it is not carried out
 * after an operator has changed the delivery since.
 */
export const seenField = (lastEvent: number): string => hiddenFields({ [SEEN]: `${lastEvent}` })

/** Reads it from a posted form; undefined if there is no form, or it has none. */
export function seenOf(form: URLSearchParams | null): number | undefined {
  const text = form?.get(SEEN) ?? ''
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

/** The id of the text that says what is wrong with a form. */
export const PROBLEM_ID = 'problem'

/** Marks a field that is in error, and leads from it to that text; '' for all others. */
export const invalidMark = (isInvalid: boolean): string =>
  isInvalid ? html` aria-invalid="true" aria-describedby="${PROBLEM_ID}"` : ''

/** Returns what is wrong with a form that was sent. The script notices.js gives it the focus. */
export const problemHtml = (text: string): string =>
  html`<p class="note warning" role="alert" id="${PROBLEM_ID}">${text}</p>`

/**
 * Shows the result of the form that led to this page. The address can select only one of these texts.
 * @param texts by how good the result is, and by its name
 */
export function doneHtml(
  request: FastifyRequest,
  texts: Readonly<Record<'good' | 'warning', Readonly<Record<string, string>>>>,
): string {
  const name = queryOf(request).get('done') ?? ''
  const grade = Object.hasOwn(texts.good, name) ? 'good' : 'warning'
  const text = textNamed(texts[grade], name)
  return text === undefined ? '' : noticeHtml({ request, grade, html: html`${text}` })
}

/**
 * Returns a notice of what a form has done. It stays until it is dismissed or the page is left: it must not be in a part
 * that updates itself. Without JavaScript, the way to dismiss it loads the page without it. See notices.js.
 * @param of.html escaped
 */
export function noticeHtml(of: { request: FastifyRequest; grade: string; html: string }): string {
  const { site, url } = of.request
  const [here = ''] = ownPath(site, url).split('?')
  return html`<div id="notice" class="note notice ${of.grade}" role="status" tabindex="-1"><p>!${of.html}</p><a class="button second" href="${here}" data-dismiss>${TEXTS.dismiss}</a></div>`
}
