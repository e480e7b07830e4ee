import { html } from 'ghtml'
import type { Cause } from '../../../operators/reports/causes.ts'
import { REASONS } from '../../../sale/reasons.ts'
import { agoHtml, numberText } from '../../layout/format.ts'
import { listTable } from '../../layout/list-table.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { queryText } from '../deliveries/list-query.ts'

const words = TEXTS.overview
/** The overview shows this many causes; the list has the others. */
const SHOWN = 12

/**
 * Returns the box with what needs attention, grouped by cause, each with a replay of its group; '' if nothing does.
 * @param of.closest the existing course that a missing one looks like, by the key as the shop sent it
 */
export function causesHtml(of: {
  causes: readonly Cause[]
  count: number
  closest: ReadonlyMap<string, string>
  base: string
}): string {
  const { causes, count, closest, base } = of
  if (count === 0 || causes.length === 0) return ''
  const from =
    causes.length === 1 ? words.attention.oneCause : fill(words.attention.causes, { count: numberText(causes.length) })
  const title =
    count === 1 ? words.attention.one : fill(words.attention.many, { count: numberText(count), causes: from })
  const rows = causes.slice(0, SHOWN).map((cause) => cellsOf({ cause, closest, base }))
  const cut = causes.length > SHOWN ? html`<p class="quiet">${words.attention.cut}</p>` : ''
  return html`<section class="note bad" aria-labelledby="causes"><h2 id="causes">${title}</h2><p>${words.attention.text}</p>
!${listTable({ columns: words.attention.columns, rows })}!${cut}</section>`
}

function cellsOf({
  cause,
  closest,
  base,
}: {
  cause: Cause
  closest: ReadonlyMap<string, string>
  base: string
}): string[] {
  const number = numberText(cause.count)
  const { code, course, count, firstAt, lastAt, latest } = cause
  const query = queryText({ state: 'needs_attention', cause: code, about: course ?? '' })
  const list = count === 1 ? `${base}/deliveries/${latest}` : `${base}/deliveries${query}`
  const key = course === null ? '' : html`: <code>${course}</code>`
  const similar = course === null ? undefined : closest.get(course)
  const looksLike = similar === undefined ? '' : `${fill(words.attention.looksLike, { course: similar })} `
  const { name, todoMany, waitsFor } = REASONS[code]
  const action =
    waitsFor !== null
      ? html`<a class="button second" href="${list}">${words.attention.open}</a>`
      : html`<a class="button second" href="${base}/replay${query}">${fill(words.attention.replay, { count: number })}</a>`
  return [
    html`<div><a href="${list}">${name}!${key}</a><br><span class="quiet">${looksLike}${todoMany}</span></div>`,
    number,
    html`<div>!${agoHtml(firstAt)}</div>`,
    html`<div>!${agoHtml(lastAt)}</div>`,
    action,
  ]
}
