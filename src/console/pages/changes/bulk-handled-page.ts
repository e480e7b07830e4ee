import { html } from 'ghtml'
import type { Summary } from '../../../operators/find/listing.ts'
import { NOTE_MAX } from '../../../queue/change-deliveries.ts'
import { hiddenFields, invalidMark, problemHtml } from '../../layout/elements.ts'
import { fillCount } from '../../layout/format.ts'
import { queryOf } from '../../layout/request.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { idsOf } from '../deliveries/list-filters.ts'
import { tableHtml } from '../deliveries/list-rows.ts'
import { keepsCourse } from '../deliveries/next-steps.ts'

const words = TEXTS.bulkHandled

/** Adds the page that marks selected deliveries as handled, each with the same note, and says what came of each. */
export function addBulkHandled(parts: PageParts): void {
  const { scope, operations } = parts
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  // What is sent is the selection, and what its form came to.
  scope.page('/handled', async ({ request, sent }) => {
    const items = await operations.summaries(idsOf(sent ?? queryOf(request)))
    const above = sent?.has('handled') ? resultsHtml(sent) : orderHtml(sent, items)
    const main = above + (items.length === 0 ? '' : tableHtml(items, { parts, request }))
    return { title: fillCount(words.title, items.length), crumbs, current: '/deliveries', main }
  })

  scope.form('/handled', async ({ form, by }) => {
    const items = await operations.summaries(idsOf(form))
    const values = new URLSearchParams({ ids: items.map(({ id }) => id).join(',') })
    const note = (form.get('note') ?? '').trim()
    if (note === '') {
      values.set('problem', 'noNote')
      return { values }
    }
    const results = { handled: 0, already: 0, unknown: 0, outdated: 0 }
    // One after the other: each is a change of its own, so what is done when the service stops stays done.
    for (const { id } of items) {
      const seen = Number(form.get(`seen_${id}`) ?? 0)
      const { kind } = await operations.markHandled({ id, note, seen, by })
      results[kind] += 1
    }
    for (const [name, count] of Object.entries(results)) values.set(name, `${count}`)
    return { values }
  })
}

/** @param items what the operator sees: if somebody changes one of them before the form is sent, that one stays as it is */
function orderHtml(sent: URLSearchParams | null, items: readonly Summary[]): string {
  if (items.length === 0) return html`<p>${words.none}</p>`
  const isWrong = sent?.has('problem') ?? false
  const help = items.some(keepsCourse) ? TEXTS.delivery.handledKeeps : TEXTS.delivery.handledHelp
  const fields = hiddenFields({
    ids: items.map(({ id }) => id).join(','),
    ...Object.fromEntries(items.map(({ id, lastEvent }) => [`seen_${id}`, `${lastEvent}`])),
  })
  return html`!${isWrong ? problemHtml(TEXTS.delivery.done.warning.noNote) : ''}<p>${help}</p><form method="post" action="~/handled" class="stack">!${fields}
<label for="note">${TEXTS.delivery.note}</label><textarea id="note" name="note" dir="auto" rows="3" cols="60" maxlength="${NOTE_MAX}" required!${invalidMark(isWrong)}></textarea>
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
