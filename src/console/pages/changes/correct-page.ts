import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Account } from '../../../lms/apis/accounts.ts'
import type { Shown } from '../../../operators/find/listing.ts'
import type { Changes } from '../../../queue/correct.ts'
import { wantedAmong } from '../../../sale/line.ts'
import { aboutOfBody } from '../../../sale/payload/rules.ts'
import type { EnrollmentRequest } from '../../../sale/types.ts'
import { courseNameHtml } from '../../layout/course-names.ts'
import { hiddenFields, SEEN, seenField, seenOf } from '../../layout/elements.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Answered, LmsCalls } from '../../lms-calls.ts'
import type { PageParts } from '../../parts.ts'
import { crumbsOf, leadToOutdated } from '../deliveries/outdated-page.ts'
import { accountStateHtml } from '../deliveries/people-page.ts'
import { courseIdsOf, errorsHtml, errorTexts, readSaleForm, type SaleForm, saleFields } from './test-sale-page.ts'

const words = TEXTS.correct

/**
 * Adds the page on which an operator corrects a delivery: a form, a preview of what happens, and the correction itself.
 * Where the LMS has no course with a key, the page offers the closest one.
 */
export function addCorrection(parts: PageParts): void {
  const { scope, operations, lms } = parts
  const path = '/deliveries/:id/correct'

  scope.page(path, async ({ request, id, sent }) => {
    const delivery = await operations.show(id)
    if (delivery === null) return null
    const page = { title: words.title, crumbs: crumbsOf(delivery), current: '/deliveries' } as const
    const { kind, ...other } = await operations.previewCorrection({ id })
    // Whatever the form would change.
    if ('id' in other && (kind === 'already' || kind === 'withdrawing')) {
      return { ...page, main: refusedHtml({ kind, ...other }) }
    }
    const here = { request, id, seen: seenOf(sent) ?? delivery.lastEvent }
    const form = sent === null ? formOfDelivery(delivery) : readSaleForm(sent)
    const { above, invalid = [] } =
      sent === null
        ? { above: await missingHtml(lms, here, delivery) }
        : await previewHtml(parts, here, { form, delivery })
    const back = `~/deliveries/${id}`
    const main = html`<p>${words.intro}</p>!${above}
<form method="post" action="${back}/correct" class="stack">!${seenField(here.seen)}!${saleFields(form, invalid)}
<button name="step" value="preview" class="second">${TEXTS.operatorForm.preview}</button></form>
<p><a href="${back}">${TEXTS.operatorForm.back}</a></p>`
    return { ...page, main }
  })

  scope.form(path, async ({ id, form: fields, by }) => {
    const delivery = await operations.show(id)
    if (delivery === null) return null
    const form = readSaleForm(fields)
    // What the operator saw when they opened the form, however many previews they made since.
    const seen = seenOf(fields) ?? delivery.lastEvent
    if (fields.get('step') === 'correct') {
      const changes = changesOf(delivery, form)
      const withdraw = fields.get('withdraw') === 'yes' ? { paid: fields.get('paid') === 'yes' } : null
      const done = await operations.correct({ id, ...changes, seen, withdraw, by })
      if (done.kind === 'outdated') return leadToOutdated('correct', fields, done)
      if (done.kind === 'corrected') {
        const result = done.withdrawal?.kind === 'ordered' ? 'correctedWithdrawing' : 'corrected'
        return `/deliveries/${done.id}?done=${result}`
      }
    }
    return { values: new URLSearchParams({ ...form, [SEEN]: `${seen}` }) }
  })
}

async function missingHtml(lms: LmsCalls, here: Here, delivery: Shown): Promise<string> {
  const reason = delivery.reason
  if (reason?.code !== 'course.missing') return ''
  return courseHtml(here, formOfDelivery(delivery), await coursePreview(lms, reason.subject))
}

/** Of a sale that the payload rules refused, the form has what the shop sent, as far as that are texts. */
function formOfDelivery({ request, body, lines }: Sold): SaleForm {
  const { email = '', courseIds = [] } = request ?? aboutOfBody(body)
  const left = wantedAmong(courseIds, lines) // as in Changes
  return { email, courses: (left.length === 0 ? courseIds : left).join('\n') }
}

type Sold = Pick<Shown, 'request' | 'body' | 'lines'>

/** A field that is empty or as it was changes nothing, so that the payload keeps what the shop sent there. */
function changesOf(delivery: Sold, form: SaleForm): Changes {
  const { request } = delivery
  const email = form.email.trim()
  const courseIds = courseIdsOf(form)
  return {
    ...(email === '' || email === request?.email ? {} : { email }),
    ...(courseIds.length === 0 || (request !== null && courseIds.join('\n') === formOfDelivery(delivery).courses)
      ? {}
      : { courseIds }),
  }
}

interface Here {
  readonly request: FastifyRequest
  readonly id: string
  /** The number of the delivery's last event when the operator opened the form. */
  readonly seen: number
}

/** Returns what a correction would do, or why there is none, and what is wrong with the form: see saleFields. */
async function previewHtml(
  parts: PageParts,
  here: Here,
  { form, delivery }: { form: SaleForm; delivery: Shown },
): Promise<{ above: string; invalid?: readonly string[] }> {
  const planned = await parts.operations.previewCorrection({ id: here.id, ...changesOf(delivery, form) })
  if (planned.kind === 'invalid') {
    return { above: errorsHtml(errorTexts(planned.errors)), invalid: Object.keys(planned.errors) }
  }
  if (planned.kind === 'already' || planned.kind === 'ended' || planned.kind === 'withdrawing') {
    return { above: refusedHtml(planned) }
  }
  if (planned.kind !== 'planned')
    return { above: html`<p class="note warning" role="status" data-result>${words.unchanged}</p>` }
  return { above: await plannedHtml(parts, here, { form, delivery, request: planned.request }) }
}

/** Why a delivery can't be corrected, and the way to the one that is to blame. */
const refusedHtml = ({ kind, id }: { kind: 'already' | 'ended' | 'withdrawing'; id: string }): string =>
  html`<p class="note warning" role="status" data-result>${words[kind]} <a href="~/deliveries/${id}">${words.goTo}</a></p>`

async function plannedHtml(
  { lms }: PageParts,
  here: Here,
  { form, delivery, request }: { form: SaleForm; delivery: Shown; request: EnrollmentRequest },
): Promise<string> {
  const { email, courseIds } = request
  const { withdrawable } = delivery
  const concerned = withdrawable?.courses ?? []
  const [account, courses, stands] = await Promise.all([
    lms.account(email),
    coursePreviews(lms, courseIds),
    withdrawable === null || concerned.length === 0 ? null : lms.whatStands(withdrawable),
  ])
  const mayBePaid = stands !== null && (!stands.ok || stands.value.some((one) => one.isPaid))
  const paidHelp = stands?.ok ? words.paidHelp : TEXTS.withdraw.paidHelp
  const withdraw =
    withdrawable === null || concerned.length === 0
      ? html`<p>${words.nothingToWithdraw}</p>`
      : html`<div><input type="checkbox" id="withdraw" name="withdraw" value="yes"> <label for="withdraw">${fill(words.withdraw, { email: withdrawable.email })}</label></div>
!${mayBePaid ? html`<div><input type="checkbox" id="paid" name="paid" value="yes"> <label for="paid">${TEXTS.withdraw.paid}</label><p class="quiet">${paidHelp}</p></div>` : ''}`
  return html`<div class="note" id="preview" data-result><h2>${words.what}</h2><p>${fill(words.newDelivery, { email })}</p>
!${courses.map((course) => courseHtml(here, form, course)).join('')}!${accountHtml(account, email)}<p>${words.oldDelivery}</p>
<form method="post" action="~/deliveries/${here.id}/correct" class="stack">!${seenField(here.seen)}!${hiddenFields({ ...form })}
!${withdraw}<button name="step" value="correct">${words.confirm}</button></form></div>`
}

/** Says who gets the courses, so that a typing error in the address shows before it costs the buyer a day. */
function accountHtml(account: Answered<Account>, email: string): string {
  const isNew = account.ok && account.value.status === 'unknown'
  return html`<p>${fill(words.account, { email })} !${accountStateHtml(account)}${isNew ? `. ${words.unregistered}` : ''}</p>`
}

type CoursePreview = { readonly written: string } & Awaited<ReturnType<LmsCalls['findCourse']>>

/** So many courses are looked up at once: those of a sale mostly, and not so many that other calls wait long. */
const AT_ONCE = 5

async function coursePreviews(lms: LmsCalls, courseIds: readonly string[]): Promise<CoursePreview[]> {
  const previews: CoursePreview[] = []
  const courses = [...new Set(courseIds)]
  for (let from = 0; from < courses.length; from += AT_ONCE) {
    const some = courses.slice(from, from + AT_ONCE)
    previews.push(...(await Promise.all(some.map((course) => coursePreview(lms, course)))))
  }
  return previews
}

async function coursePreview(lms: LmsCalls, written: string): Promise<CoursePreview> {
  return { written, ...(await lms.findCourse(written)) }
}

/** Whether the LMS has the course; if not, a button that puts the closest key into the form. */
function courseHtml(here: Here, form: SaleForm, course: CoursePreview): string {
  const { written } = course
  const { courseName, closestCourse } = here.request
  if (!course.ok) return html`<p><code>${written}</code> ${fill(words.unknown, { reason: course.message })}</p>`
  if (course.value !== null)
    return html`<p>!${courseNameHtml(course.value.key, courseName)} <span class="quiet">${words.found}</span></p>`
  const closest = closestCourse(written)
  if (closest === null) return html`<p class="note warning">${fill(words.none, { key: written })}</p>`
  const courses = form.courses.split('\n').map((line) => (line.trim() === written ? closest : line))
  return html`<div class="note warning"><p>${fill(words.closest, { key: written })}</p><p>!${courseNameHtml(closest, courseName)}</p>
<form method="post" action="~/deliveries/${here.id}/correct">!${seenField(here.seen)}!${hiddenFields({ ...form, courses: courses.join('\n') })}
<button name="step" value="preview" class="second">${fill(words.use, { course: courseName(closest) ?? closest })}</button></form></div>`
}
