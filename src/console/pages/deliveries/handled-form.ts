import { html } from 'ghtml'
import { NOTE_MAX } from '../../../queue/change-deliveries.ts'
import type { Line } from '../../../sale/line.ts'
import { type DeliveryState, HANDLED_AS, type HandledAs, isHandledAs } from '../../../sale/types.ts'
import { invalidMark, problemHtml } from '../../layout/elements.ts'
import { TEXTS, textNamed } from '../../layout/texts.ts'

const words = TEXTS.handledForm

type Problem = keyof typeof words.problems

/** What an operator says of a sale that they handled, or why that can't be stored: in a form of handledHtml. */
export function readHandled(
  form: URLSearchParams,
): { readonly as: HandledAs; readonly note: string } | { readonly problem: Problem } {
  const as = form.get('as')
  const note = (form.get('note') ?? '').trim()
  if (!isHandledAs(as)) return { problem: 'noChoice' }
  return note === '' ? { problem: 'noNote' } : { as, note }
}

/**
 * Returns the fields with which an operator says how sales were handled. Nothing is chosen before they choose, because the
 * two choices differ in what a refund of another sale leaves to the buyer.
 * @param of.sent the form that was not carried out, with its problem
 */
export function handledHtml(of: {
  of: readonly { readonly state: DeliveryState; readonly lines: readonly Line[] }[]
  sent: URLSearchParams | null
  isWide: boolean
}): string {
  const { sent, isWide } = of
  const problem = sent?.get('problem')
  const text = textNamed(words.problems, problem)
  const choices = HANDLED_AS.map((as) => {
    const { name, help } = words.choices[as]
    return html`<div><input type="radio" id="as-${as}" name="as" value="${as}" required!${sent?.get('as') === as ? ' checked' : ''}!${invalidMark(problem === 'noChoice')}> <label for="as-${as}">${name}</label><p class="quiet">${help}</p></div>`
  })
  const note = html`<textarea id="note" name="note" dir="auto" rows="${isWide ? 3 : 2}"!${isWide ? ' cols="60"' : ''} required maxlength="${NOTE_MAX}"!${invalidMark(problem === 'noNote')}>${sent?.get('note') ?? ''}</textarea>`
  return html`!${text === undefined ? '' : problemHtml(text)}<p>${of.of.some(keepsCourse) ? words.keeps : words.stops}</p>
<fieldset><legend>${words.how}</legend>!${choices.join('\n')}</fieldset>
<label for="note">${words.note}</label>!${note}`
}

/**
 * Whether marking a sale as handled leaves its buyer with a course or an allowance. One that is queued may still give one,
 * and is stopped.
 */
export const keepsCourse = ({ state, lines }: { state: DeliveryState; lines: readonly Line[] }): boolean =>
  state !== 'queued' && lines.some(({ result }) => result !== null)
