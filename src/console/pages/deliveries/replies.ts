import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import { REASONS } from '../../../sale/reasons.ts'
import { type DeliveryState, isStopped } from '../../../sale/types.ts'
import { subjectText } from '../../../sale/words.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import replies from './replies.json' with { type: 'json' }

const words = TEXTS.replies

/** A text that an operator can send. */
export interface Reply {
  readonly to: 'buyer' | 'shop'
  readonly text: string
}

type Told = Pick<Shown, 'id' | 'state' | 'request' | 'outcome'>

/**
 * Returns what an operator can tell the buyer, and the shop, about a delivery: by its reason if it has one, else by its
 * state.
 */
export function repliesTo(delivery: Told, lmsUrl: string): Reply[] {
  const { id, state, request, outcome } = delivery
  const reason = isStopped(state) ? null : (outcome?.reason ?? null)
  const values = {
    id,
    lms: lmsUrl,
    email: request?.email ?? '',
    courses: (request?.courseIds ?? []).join(', '),
    subject: reason === null ? '' : subjectText(reason),
  }
  const name = request?.name ?? ''
  const greeting = name === '' ? replies.greetingUnnamed : fill(replies.greeting, { name })
  const { toBuyer: buyer, toShop: shop } =
    reason === null ? { toBuyer: ofState(state), toShop: null } : REASONS[reason.code]
  return [
    ...(buyer === null || request === null
      ? []
      : [{ to: 'buyer' as const, text: `${greeting}\n\n${fill(buyer, values)}` }]),
    ...(shop === null ? [] : [{ to: 'shop' as const, text: fill(shop, values) }]),
  ]
}

/** null for a state that always has a reason. */
const ofState = (state: DeliveryState): string | null =>
  Object.entries(replies.states).find(([one]) => one === state)?.[1] ?? null

/** Shows each reply on demand, with a button that copies it. Without JavaScript, the text can be selected. */
export function repliesHtml(delivery: Told, lmsUrl: string): string {
  return repliesTo(delivery, lmsUrl)
    .map(({ to, text }) => {
      const id = `reply-${to}`
      const rows = Math.min(12, 3 + Math.ceil(text.length / 90))
      return html`<details class="reply" id="${id}-panel"><summary class="button second">${words[to]}</summary>
<label for="${id}" class="unseen">${words[to]}</label><textarea id="${id}" rows="${rows}" cols="70" readonly>
${text}</textarea>
<button type="button" class="second" data-copies="${id}" data-copied="${words.copied}" hidden>${words.copy}</button></details>`
    })
    .join('\n')
}
