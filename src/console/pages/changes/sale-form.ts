import { html } from 'ghtml'
import type { FieldErrors } from '../../../sale/payload/rules.ts'
import { hiddenField } from '../../layout/elements.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.operatorForm
/** Longer than any address that the payload rules accept, so that they say what is wrong. */
const EMAIL_MAX = 400
const COURSES_MAX = 20_000

/** What an operator wrote into the form of a sale. */
export interface SaleForm {
  readonly email: string
  /** One key in each line. */
  readonly courses: string
}

/** Reads the fields of a sale from a posted form. */
export const readSaleForm = (form: URLSearchParams): SaleForm => ({
  email: (form.get('email') ?? '').slice(0, EMAIL_MAX),
  courses: (form.get('courses') ?? '').slice(0, COURSES_MAX).replaceAll('\r\n', '\n'),
})

/** The course keys in the lines of a form, without the empty ones. */
export const courseIdsOf = ({ courses }: SaleForm): string[] =>
  courses
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** The fields in which an operator writes a sale. */
export function saleFields({ email, courses }: SaleForm): string {
  const rows = Math.min(8, Math.max(2, courses.split('\n').length))
  return html`<label for="email">${words.email}</label>
<input id="email" name="email" value="${email}" size="40" spellcheck="false" autocomplete="off" maxlength="${EMAIL_MAX}">
<label for="courses">${words.courses}</label>
<textarea id="courses" name="courses" rows="${rows}" cols="60" spellcheck="false" autocomplete="off" maxlength="${COURSES_MAX}">
${courses}</textarea>`
}

/** The same fields, hidden, for the form of the next step. */
export const hiddenSaleFields = ({ email, courses }: SaleForm): string =>
  hiddenField('email', email) + hiddenField('courses', courses)

/** What the payload rules say about a sale, in the webhook's words, one text for each problem. */
export function errorTexts(errors: FieldErrors): string[] {
  return Object.entries(errors).flatMap(([field, problems]) => {
    if (isList(problems)) return problems.map((problem) => fill(words.field, { field, problem }))
    return Object.entries(problems).flatMap(([index, some]) => {
      const line = String(Number(index) + 1)
      return some.map((problem) => fill(words.entry, { field, line, problem }))
    })
  })
}

/** Shows what errorTexts returned. */
export const errorsHtml = (texts: readonly string[]): string =>
  html`<div class="note bad" role="alert"><p>${words.errors}</p><ul>!${texts.map((text) => html`<li>${text}</li>`).join('')}</ul></div>`

const isList = (problems: FieldErrors[string]): problems is readonly string[] => Array.isArray(problems)
