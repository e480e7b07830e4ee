import { randomUUID } from 'node:crypto'
import { html } from 'ghtml'
import type { FieldErrors } from '../../../sale/payload/rules.ts'
import type { Course } from '../../../shop/courses/catalogue.ts'
import { hiddenFields, invalidMark, PROBLEM_ID } from '../../layout/elements.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'

const words = TEXTS.testSale
const formWords = TEXTS.operatorForm
const NONCE_MAX = 64
/** Longer than any address that the payload rules accept, so that they say what is wrong. */
const EMAIL_MAX = 400
const COURSES_MAX = 20_000

/** Adds the page on which an operator makes a test sale. */
export function addTestSale({ scope, operations, readCatalogue }: PageParts): void {
  const path = '/test-sale'
  scope.page(path, async ({ sent }) => {
    const form = readSaleForm(sent ?? new URLSearchParams())
    const [nonce, errors] = [sent?.get('nonce') ?? randomUUID(), sent?.getAll('error') ?? []]
    const above = errors.length === 0 ? '' : errorsHtml(errors)
    const { courses } = await readCatalogue()
    const page = { form, nonce, courses, chosen: sent?.get('course') ?? '', invalid: sent?.getAll('invalid') ?? [] }
    const main = html`<p>${words.intro}</p>!${above}!${testSaleForm(page)}`
    return { title: words.title, current: '/deliveries', main }
  })

  scope.form(path, async ({ form: fields, by }) => {
    const form = readSaleForm(fields)
    const course = (fields.get('course') ?? '').slice(0, COURSES_MAX)
    // The same form sent twice is one sale.
    const nonce = (fields.get('nonce') ?? '').slice(0, NONCE_MAX)
    const courseIds = [...(course === '' ? [] : [course]), ...courseIdsOf(form)]
    const sold = await operations.testSale({ email: form.email, courseIds, nonce, by })
    if (sold.kind === 'sold') return `/deliveries/${sold.id}?done=sold`
    const values = new URLSearchParams({ ...form, course, nonce })
    for (const text of errorTexts(sold.errors)) values.append('error', text)
    // Of a whole sale, only the lack of a course is said.
    for (const field of Object.keys(sold.errors)) values.append('invalid', field === 'email' ? field : 'courseIds')
    return { values }
  })
}

/** More courses than these are found faster by their key. */
const PICKED_MAX = 500

/**
 * Returns the form of a test sale. Its courses are chosen from those that the LMS has, by their names.
 * @param of.form what was sent, with a field for keys; without it, a course has to be chosen, if the LMS's are known
 * @param of.chosen the key of the course that was chosen
 * @param of.invalid see saleFields
 */
export function testSaleForm(of: {
  courses: readonly Pick<Course, 'key' | 'name'>[]
  form?: SaleForm
  nonce?: string
  chosen?: string
  invalid?: readonly string[]
}): string {
  const { courses, form = { email: '', courses: '' }, nonce = randomUUID(), chosen = '', invalid = [] } = of
  const hasList = courses.length > 0 && courses.length <= PICKED_MAX
  const keys = of.form !== undefined || !hasList ? keysField(form, invalid) : ''
  return html`<form method="post" action="~/test-sale" class="stack">!${emailField(form, invalid)}
!${hasList ? pickerHtml(courses, chosen, invalid) : ''}!${keys}
!${hiddenFields({ nonce })}<button>${words.confirm}</button></form>`
}

function pickerHtml(
  courses: readonly Pick<Course, 'key' | 'name'>[],
  chosen: string,
  invalid: readonly string[],
): string {
  const byName = courses.toSorted((a, b) => a.name.localeCompare(b.name, 'en') || (a.key < b.key ? -1 : 1))
  const options = byName.map(
    ({ key, name }) => html`<option value="${key}"!${key === chosen ? ' selected' : ''}>${name} – ${key}</option>`,
  )
  return html`<label for="course">${words.course}</label><select id="course" name="course"!${invalidMark(invalid.includes('courseIds'))}><option value="">${words.choose}</option>!${options.join('\n')}</select>`
}

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

/**
 * The fields in which an operator writes a sale.
 * @param invalid what the payload rules refuse, by the names of their fields
 */
export const saleFields = (form: SaleForm, invalid: readonly string[]): string =>
  emailField(form, invalid) + keysField(form, invalid)

const emailField = ({ email }: SaleForm, invalid: readonly string[]): string =>
  html`<label for="email">${formWords.email}</label>
<input id="email" name="email" value="${email}" size="40" inputmode="email" spellcheck="false" autocomplete="off" maxlength="${EMAIL_MAX}"!${invalidMark(invalid.includes('email'))}>`

function keysField({ courses }: SaleForm, invalid: readonly string[]): string {
  const rows = Math.min(8, Math.max(2, courses.split('\n').length))
  return html`<label for="courses">${formWords.courses}</label>
<textarea id="courses" name="courses" rows="${rows}" cols="60" spellcheck="false" autocomplete="off" maxlength="${COURSES_MAX}"!${invalidMark(invalid.includes('courseIds'))}>
${courses}</textarea>`
}

/** What the payload rules say about a sale, in the webhook's words, one text for each problem. */
export function errorTexts(errors: FieldErrors): string[] {
  return Object.entries(errors).flatMap(([field, problems]) => {
    if (isList(problems))
      return problems.map((problem) =>
        field === 'non_field_errors' ? problem : fill(formWords.field, { field, problem }),
      )
    return Object.entries(problems).flatMap(([index, some]) => {
      const line = String(Number(index) + 1)
      return some.map((problem) => fill(formWords.entry, { field, line, problem }))
    })
  })
}

/** Shows what errorTexts returned. */
export const errorsHtml = (texts: readonly string[]): string =>
  html`<div class="note bad" role="alert" id="${PROBLEM_ID}"><p>${formWords.errors}</p><ul>!${texts.map((text) => html`<li>${text}</li>`).join('')}</ul></div>`

const isList = (problems: FieldErrors[string]): problems is readonly string[] => Array.isArray(problems)
