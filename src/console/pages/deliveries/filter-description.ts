import { html } from 'ghtml'
import type { DeliveryFilter } from '../../../operators/find/filter.ts'
import { reasonName } from '../../../sale/words.ts'
import { timeHtml } from '../../layout/format.ts'
import { TEXTS } from '../../layout/texts.ts'

const words = TEXTS.filter

/** Describes in words which deliveries a filter matches. */
export function filterHtml(filter: DeliveryFilter): string {
  const { id, email, username, course, find, cause, about, replay, states, from, to } = filter
  const texts = [
    [words.id, id],
    [words.email, email],
    [words.username, username],
    [words.course, course],
    [words.find, find],
    [words.cause, cause === undefined ? undefined : reasonName(cause)],
    [words.about, about],
    [words.replay, replay],
    [words.states, states?.map((state) => TEXTS.states[state]).join(', ')],
  ] as const
  const conditions = [
    ...texts.flatMap(([name, value]) => (value === undefined ? [] : [html`${name} <strong>${value}</strong>`])),
    ...(from === undefined ? [] : [html`${words.from} !${timeHtml(from)}`]),
    ...(to === undefined ? [] : [html`${words.to} !${timeHtml(to)}`]),
  ]
  return conditions.length === 0 ? html`${words.all}` : html`${words.those} !${conditions.join('; ')}`
}
