import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { z } from 'zod'
import { EVENTS } from '../../../sale/types.ts'
import { detailText } from '../../../sale/words.ts'
import { sameFields, seenField } from '../../layout/elements.ts'
import { timeHtml } from '../../layout/format.ts'
import { type Crumb, sendPage } from '../../layout/layout.ts'
import { deliveryPath, formOf, type WithId } from '../../layout/request.ts'
import { fill, TEXTS, textNamed } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { leadToPage, sentForm } from '../../session/sent-form.ts'

const words = TEXTS.outdated

const ACTIONS = ['replay', 'handled', 'correct', 'withdraw'] as const satisfies (keyof typeof words.again)[]
/** The fields that the page gets besides those of the order. */
const [ORDER, CHANGE] = ['outdated_order', 'outdated_by']
const changeSchema = z.object({
  number: z.number(),
  kind: z.string(),
  by: z.string(),
  at: z.number(),
  detail: z.string(),
})

/** An order that was not carried out: its fields, and the change that it doesn't know of. */
interface Refused {
  readonly action: keyof typeof words.again
  readonly change: z.infer<typeof changeSchema>
  readonly form: URLSearchParams
}

/**
 * Adds the page about an order that was not carried out, because another operator changed the delivery after its page was
 * opened: it says who did what and when, and offers the same order again, with all that was entered. The order then counts
 * as seen up to that change, and not up to one that came since.
 */
export function addOutdated(parts: PageParts): void {
  parts.scope.get<WithId>('/deliveries/:id/changed', (request, reply) => {
    const sent = sentForm(request)
    const refused = sent === null ? null : readRefused(sent)
    // Another session can't read what was sent.
    return refused === null
      ? reply.redirect(request.site.base + deliveryPath(request), 303)
      : send(parts, { request, reply, ...refused })
  })
}

/** Leads from such an order to the page about it. */
export function leadToOutdated(
  parts: PageParts,
  of: Pick<Refused, 'action' | 'change'> & { request: FastifyRequest<WithId>; reply: FastifyReply },
): FastifyReply | Promise<FastifyReply> {
  const { request, reply, action, change } = of
  const form = formOf(request)
  form.delete('csrf')
  const values = new URLSearchParams([...form, [ORDER, action], [CHANGE, JSON.stringify(change)]])
  return leadToPage({ reply, path: `${deliveryPath(request)}/changed`, values }, () => send(parts, { ...of, form }))
}

/** Reads what leadToOutdated wrote; null if another version of the service wrote something else. */
function readRefused(sent: URLSearchParams): Refused | null {
  const action = ACTIONS.find((one) => one === sent.get(ORDER))
  const change = changeSchema.safeParse(JSON.parse(sent.get(CHANGE) ?? 'null')).data
  const form = new URLSearchParams([...sent].filter(([name]) => name !== ORDER && name !== CHANGE))
  return action === undefined || change === undefined ? null : { action, change, form }
}

async function send(
  { operations }: PageParts,
  of: Refused & { request: FastifyRequest<WithId>; reply: FastifyReply },
): Promise<FastifyReply> {
  const { request, reply, action, form } = of
  const { number, kind, by, at, detail } = of.change
  const delivery = await operations.show(request.params.id)
  const here = `~${deliveryPath(request)}`
  const more = detail === '' ? '' : html`<p><bdi>${detailText(detail)}</bdi></p>`
  const main = html`<div class="note warning" role="alert"><p>${fill(words.text, { by })} <strong>${textNamed(EVENTS, kind)?.name ?? kind}</strong>, !${timeHtml(at, 'seconds')}.</p>!${more}</div>
<p>${words.look}</p><div class="actions"><a class="button" href="${here}">${TEXTS.operatorForm.back}</a>
<form method="post" action="${here}/${action}">!${sameFields(form)}!${seenField(number)}<button class="second">${words.again[action]}</button></form></div>`
  return sendPage({
    reply,
    title: words.title,
    crumbs: delivery === null ? [] : crumbsOf(delivery),
    current: '/deliveries',
    main,
  })
}

/** The way back from a page below that of a delivery, which names the buyer. */
export const crumbsOf = ({ id, request }: { id: string; request: { readonly email: string } | null }): Crumb[] => [
  { path: '/deliveries', label: TEXTS.deliveries.title },
  { path: `/deliveries/${id}`, label: request?.email ?? TEXTS.delivery.untitled },
]
