import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Summary } from '../../../operators/find/listing.ts'
import { csrfField, hiddenField } from '../../layout/elements.ts'
import { numberText } from '../../layout/format.ts'
import { sendPage } from '../../layout/layout.ts'
import { formOf, queryOf, sessionOf } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { NOTE_MAX } from '../deliveries/delivery-box.ts'
import { readQuery } from '../deliveries/list-filters.ts'
import { tableHtml } from '../deliveries/list-rows.ts'

const words = TEXTS.bulkHandled

/** Adds the page that marks selected deliveries as handled, each with the same note, and says what came of each. */
export function addBulkHandled(parts: PageParts): void {
  const { scope, operations, liveState, now } = parts
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  const selectedOf = (parameters: URLSearchParams): Promise<Summary[]> =>
    operations.summaries(
      readQuery(parameters)
        .ids.split(',')
        .filter((id) => id !== ''),
    )

  const tableOf = (items: readonly Summary[], { site, courseName }: FastifyRequest): string =>
    items.length === 0
      ? ''
      : tableHtml(items, { base: site.base, courseName, breaker: liveState.breaker(), now: now() })

  const send = (reply: FastifyReply, items: readonly Summary[], problem = ''): FastifyReply => {
    const { request } = reply
    const main = html`!${problem}!${items.length === 0 ? html`<p>${words.none}</p>` : formHtml(request, items)}!${tableOf(items, request)}`
    return sendPage({ reply, title: titleOf(items.length), crumbs, current: '/deliveries', main })
  }

  scope.get('/handled', async (request, reply) => send(reply, await selectedOf(queryOf(request))))

  scope.post('/handled', async (request, reply) => {
    const form = formOf(request)
    const items = await selectedOf(form)
    const note = (form.get('note') ?? '').trim()
    if (note === '') {
      return send(reply, items, html`<p class="note warning" role="alert">${TEXTS.delivery.done.noNote.text}</p>`)
    }
    const results = { handled: 0, already: 0, unknown: 0, outdated: 0 }
    // One after the other: each is a change of its own, so what is done when the service stops stays done.
    for (const { id } of items) {
      const seen = Number(form.get(`seen_${id}`) ?? 0)
      const { kind } = await operations.markHandled({ id, note, seen, by: sessionOf(request).username })
      results[kind] += 1
    }
    const main = html`!${resultsHtml(results)}<p><a href="${request.site.base}/deliveries">${words.back}</a></p>!${tableOf(await selectedOf(form), request)}`
    return sendPage({ reply, title: titleOf(items.length), crumbs, current: '/deliveries', main })
  })
}

const titleOf = (count: number): string =>
  count === 1 ? words.titleOne : fill(words.title, { count: numberText(count) })

/** @param items what the operator sees: if somebody changes one of them before the form is sent, that one stays as it is */
function formHtml(request: FastifyRequest, items: readonly Summary[]): string {
  const fields = [
    hiddenField('ids', items.map(({ id }) => id).join(',')),
    ...items.map(({ id, lastEvent }) => hiddenField(`seen_${id}`, `${lastEvent}`)),
  ]
  return html`<p>${TEXTS.delivery.handledHelp}</p><form method="post" action="${request.site.base}/handled" class="stack">!${csrfField(request)}!${fields.join('')}
<label for="note">${TEXTS.delivery.note}</label><textarea id="note" name="note" rows="3" cols="60" maxlength="${NOTE_MAX}" required></textarea>
<button>${words.confirm}</button></form>`
}

function resultsHtml({
  handled,
  already,
  outdated,
}: Readonly<Record<'handled' | 'already' | 'outdated', number>>): string {
  const note = (grade: string, text: string): string => html`<p class="note ${grade}" role="status">${text}</p>`
  return [
    handled === 0 ? '' : note('good', fill(words.done, { count: numberText(handled) })),
    already === 0 ? '' : note('', fill(words.already, { count: numberText(already) })),
    outdated === 0 ? '' : note('warning', fill(words.outdated, { count: numberText(outdated) })),
  ].join('')
}
