import { html } from 'ghtml'
import { z } from 'zod'
import { EVENTS } from '../../../sale/types.ts'
import { detailText } from '../../../sale/words.ts'
import { namedHtml } from '../../layout/course-names.ts'
import { hiddenFields, SEEN } from '../../layout/elements.ts'
import { timeHtml } from '../../layout/format.ts'
import type { Crumb } from '../../layout/layout.ts'
import type { CameTo } from '../../layout/pages.ts'
import { fill, TEXTS, textNamed } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { undoneHtml } from './delivery-box.ts'

const words = TEXTS.outdated

/** The fields that the page gets besides those of the order. */
const [ORDER, CHANGE] = ['outdated_order', 'outdated_by']
const changeSchema = z.object({
  number: z.number(),
  kind: z.string(),
  by: z.string(),
  at: z.number(),
  detail: z.string(),
})

/** The change that an order which was not carried out doesn't know of. */
type Change = z.infer<typeof changeSchema>
const PATH = '/deliveries/:id/changed'

/**
 * Adds the page about an order that was not carried out, because another operator changed the delivery after its page was
 * opened: it says who did what and when, and offers the same order again, with all that was entered. The order then counts
 * as seen up to that change, and not up to one that came since.
 */
export function addOutdated({ scope, operations }: PageParts): void {
  scope.page(PATH, async ({ request, id, sent }) => {
    const here = `/deliveries/${id}`
    const action = sent?.get(ORDER)
    const again = textNamed(words.again, action)
    // Another session can't read what was sent, and another version of the service may write something else.
    const change = changeSchema.safeParse(JSON.parse(sent?.get(CHANGE) ?? 'null')).data
    if (sent === null || again === undefined || change === undefined) return here
    const { number, kind, by, at, detail } = change
    const form = new URLSearchParams([...sent].filter(([name]) => name !== ORDER && name !== CHANGE))
    form.set(SEEN, `${number}`)
    const delivery = await operations.show(id)
    const more = detail === '' ? '' : html`<p><bdi>!${namedHtml(detailText(detail), request.courseName)}</bdi></p>`
    const undone = action === 'replay' && delivery !== null ? undoneHtml(delivery, request.courseName) : ''
    const main = html`<div class="note warning" role="alert"><p>${fill(words.text, { by })} <strong>${textNamed(EVENTS, kind)?.name ?? kind}</strong>, !${timeHtml(at, 'seconds')}.</p>!${more}</div>
!${undone}<p>${words.look}</p><div class="actions"><a class="button" href="~${here}">${TEXTS.operatorForm.back}</a>
<form method="post" action="~${here}/${action}">!${hiddenFields(form)}<button class="second">${again}</button></form></div>`
    return { title: words.title, crumbs: delivery === null ? [] : crumbsOf(delivery), current: '/deliveries', main }
  })
}

/** Leads from such an order to the page about it. */
export const leadToOutdated = (
  action: keyof typeof words.again,
  form: URLSearchParams,
  { change }: { change: Change },
): CameTo => ({
  page: PATH,
  values: new URLSearchParams([...form, [ORDER, action], [CHANGE, JSON.stringify(change)]]),
})

/** The way back from a page below that of a delivery, which names the buyer. */
export const crumbsOf = ({ id, request }: { id: string; request: { readonly email: string } | null }): Crumb[] => [
  { path: '/deliveries', label: TEXTS.deliveries.title },
  { path: `/deliveries/${id}`, label: request?.email ?? TEXTS.delivery.untitled },
]
