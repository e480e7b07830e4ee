import { html } from 'ghtml'
import type { Summary } from '../../../operators/find/listing.ts'
import { hiddenFields } from '../../layout/elements.ts'
import { fillCount } from '../../layout/format.ts'
import { queryOf } from '../../layout/request.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { handledHtml, readHandled } from '../deliveries/handled-form.ts'
import { idsOf } from '../deliveries/list-filters.ts'
import { tableHtml } from '../deliveries/list-rows.ts'

const words = TEXTS.bulkHandled

/** Adds the page that marks selected deliveries as handled, each with the same choice and note, and says what came of each. */
export function addBulkHandled(parts: PageParts): void {
  const { scope, operations } = parts
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  // What is sent is the selection, and what its form came to.
  scope.page('/handled', async ({ request, sent }) => {
    const items = await operations.summaries(idsOf(sent ?? queryOf(request)))
    const above = sent?.has('outdated') ? resultsHtml(sent) : orderHtml(sent, items)
    const main = above + (items.length === 0 ? '' : tableHtml(items, { parts, request }))
    return { title: fillCount(words.title, items.length), crumbs, current: '/deliveries', main }
  })

  scope.form('/handled', async ({ form, by }) => {
    const items = await operations.summaries(idsOf(form))
    const values = new URLSearchParams({ ids: items.map(({ id }) => id).join(',') })
    const sent = readHandled(form)
    if ('problem' in sent) return { values: new URLSearchParams([...form, ['problem', sent.problem]]) }
    const results = { handled: 0, already: 0, unknown: 0, outdated: 0 }
    // One after the other: each is a change of its own, so what is done when the service stops stays done.
    for (const { id } of items) {
      const seen = Number(form.get(`seen_${id}`) ?? 0)
      const { kind } = await operations.markHandled({ id, ...sent, seen, by })
      results[kind] += 1
    }
    for (const [name, count] of Object.entries(results)) values.set(name, `${count}`)
    return { values }
  })
}

/** @param items what the operator sees: if somebody changes one of them before the form is sent, that one stays as it is */
function orderHtml(sent: URLSearchParams | null, items: readonly Summary[]): string {
  if (items.length === 0) return html`<p>${words.none}</p>`
  const fields = hiddenFields({
    ids: items.map(({ id }) => id).join(','),
    ...Object.fromEntries(items.map(({ id, lastEvent }) => [`seen_${id}`, sent?.get(`seen_${id}`) ?? `${lastEvent}`])),
  })
  return html`<form method="post" action="~/handled" class="stack">!${fields}
!${handledHtml({ of: items, sent, isWide: true })}
<button>${TEXTS.delivery.markHandled}</button></form>`
}

const GRADES = { handled: 'good', already: '', outdated: 'warning' } as const

function resultsHtml(results: URLSearchParams): string {
  const notes = (['handled', 'already', 'outdated'] as const).map((name) => {
    const count = Number(results.get(name) ?? 0)
    const text = fillCount(words.results[name], count)
    return count === 0 ? '' : html`<p class="note ${GRADES[name]}" role="status">${text}</p>`
  })
  return html`<div data-result>!${notes.join('')}</div><p><a href="~/deliveries">${TEXTS.deliveries.back}</a></p>`
}
