import { html } from 'ghtml'
import type { Preview } from '../../../operators/changes/bulk-replay.ts'
import { isDone, isStopped } from '../../../sale/types.ts'
import { hiddenFields } from '../../layout/elements.ts'
import { fillCount, numberText } from '../../layout/format.ts'
import { queryOf } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { chipsHtml, filterOf, type ListQuery, queryText, readQuery } from '../deliveries/list-filters.ts'
import { tableHtml } from '../deliveries/list-rows.ts'

const words = TEXTS.replay

/** Adds the page that shows what a bulk replay includes, and starts it; see addBulkProgress. */
export function addReplayPages(parts: PageParts): void {
  const { scope, operations } = parts
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  scope.page('/replay', async ({ request }) => {
    const parameters = queryOf(request)
    const [query, enrolled] = [readQuery(parameters), parameters.get('enrolled') === 'yes']
    const filter = filterOf(query, request.zone)
    const preview = await operations.previewReplay({ filter, enrolled })
    const list = tableHtml(preview.sample, { parts, request })
    const found = foundHtml({ preview, query, enrolled, list })
    const main = html`!${introHtml(query)}!${chipsHtml(filter, request.courseName) || html`<p>${words.all}</p>`}
<p><a href="~/deliveries${queryText(query)}">${words.change}</a></p>
!${found}`
    return { title: words.title, crumbs, current: '/deliveries', main }
  })

  scope.form('/replay', async ({ request, form, by }) => {
    const order = { filter: filterOf(readQuery(form), request.zone), enrolled: form.get('enrolled') === 'yes' }
    const { id } = await operations.startReplay({ ...order, by })
    return `/replays/${id}`
  })
}

/** What a replay does. Where the search is for what a person has ended, it takes that back. */
function introHtml({ state }: ListQuery): string {
  const intro = html`<p>${fill(words.intro, { kept: state === 'withdrawn' ? '' : words.kept })}</p>`
  return state !== '' && isStopped(state) ? html`!${intro}<p class="note warning">${words.reopens[state]}</p>` : intro
}

/** The choice of what a replay includes, and what it finds. `list`: some of that, as escaped HTML. */
function foundHtml(of: { preview: Preview; query: ListQuery; enrolled: boolean; list: string }): string {
  const { preview, query, enrolled, list } = of
  const fields = hiddenFields(query)
  // Of a search for another state, none is enrolled.
  const canBeEnrolled = query.state === '' || isDone(query.state)
  const choose = html`<form method="get" action="~/replay" hx-get="~/replay" hx-trigger="change" hx-target="#preview" hx-select="#preview" class="stack">!${fields}
<div><input type="checkbox" id="enrolled" name="enrolled" value="yes"!${enrolled ? ' checked' : ''}> <label for="enrolled">${words.alsoEnrolled}</label></div>
<noscript><button class="second">${words.update}</button></noscript></form>`
  const start = html`<form method="post" action="~/replay">!${fields}!${hiddenFields({ enrolled: enrolled ? 'yes' : '' })}
<button>${fillCount(words.start, preview.count)}</button></form>`
  const sample = html`<h2>${words.sample}</h2>!${list}`
  const found = html`<p class="note">${foundText(preview)}</p>!${preview.count === 0 ? '' : start + sample}`
  return html`!${canBeEnrolled ? choose : ''}<div id="preview" aria-live="polite">!${found}</div>`
}

function foundText({ count, left }: Preview): string {
  if (left === 0) return count === 0 ? words.nothing : fillCount(words.found, count)
  const rejected = fillCount(words.left, left)
  if (count === 0) return fill(words.foundNone, { left: rejected })
  return fillCount(words.foundSome, count, { all: numberText(count + left), left: rejected })
}
