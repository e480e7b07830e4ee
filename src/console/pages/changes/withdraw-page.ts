import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Shown, Summary } from '../../../operators/find/listing.ts'
import { NOTE_MAX } from '../../../queue/change-deliveries.ts'
import { wasThere } from '../../../queue/withdrawals/withdrawable.ts'
import { withdrawalsOf } from '../../../queue/withdrawals/withdrawal.ts'
import { hasCourse } from '../../../sale/course-key.ts'
import { isWanted } from '../../../sale/line.ts'
import { type CourseName, courseInLineHtml, courseNameHtml } from '../../layout/course-names.ts'
import { invalidMark, problemHtml, seenField, seenOf } from '../../layout/elements.ts'
import { timeHtml } from '../../layout/format.ts'
import { fill, TEXTS, textNamed } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { standingHtml } from '../deliveries/delivery-facts.ts'
import { withdrawalHtml } from '../deliveries/delivery-timeline.ts'
import { crumbsOf, leadToOutdated } from '../deliveries/outdated-page.ts'

const words = TEXTS.withdraw

type Problem = keyof typeof words.problems

/** Adds the page on which an operator withdraws a delivery. It shows first what the LMS has for the buyer. */
export function addWithdrawal(parts: PageParts): void {
  const { scope, operations, lms } = parts
  const path = '/deliveries/:id/withdraw'

  scope.page(path, async ({ request, id, sent }) => {
    const delivery = await operations.show(id)
    if (delivery === null) return null
    const pending = withdrawalsOf(delivery).filter(({ endedAt }) => endedAt === null)
    const text = textNamed(words.problems, sent?.get('problem'))
    const warning = text === undefined ? '' : problemHtml(text)
    const body =
      pending.length > 0
        ? html`<p class="note">${words.pending}</p>!${pending.map((one) => withdrawalHtml(one, request.courseName)).join('')}`
        : await orderHtml(parts, { request, delivery, sent })
    const main = html`!${warning}!${body}<p><a href="~/deliveries/${id}">${TEXTS.operatorForm.back}</a></p>`
    const crumbs = crumbsOf(delivery)
    return { title: words.title, intro: html`${words.intro}`, crumbs, current: '/deliveries', main }
  })

  scope.form(path, async ({ id, form, by }) => {
    const courses = form.getAll('course')
    const paid = form.get('paid') === 'yes'
    const hadBefore = form.get('had_before') === 'yes'
    const delivery = await operations.show(id)
    if (delivery === null) return null
    const again = (problem: Problem) => ({ values: new URLSearchParams([...form, ['problem', problem]]) })
    if (courses.length === 0) return again('noCourse')
    const { withdrawable } = delivery
    const chosen = withdrawable?.courses.filter(({ course }) => hasCourse(courses, course)) ?? []
    const stands = paid || withdrawable === null ? null : await lms.whatStands({ ...withdrawable, courses: chosen })
    // If the LMS can't be read now, the withdrawal itself leaves paid modes alone.
    const isPaid = stands?.ok && stands.value.some((one) => one.isPaid)
    if (isPaid) return again('paidUnconfirmed')
    const note = (form.get('note') ?? '').trim()
    const ordered = await operations.withdraw({ id, courses, paid, hadBefore, note, seen: seenOf(form), by })
    if (ordered.kind === 'outdated') return leadToOutdated('withdraw', form, ordered)
    if (ordered.kind === 'unknown') return null
    if (ordered.kind === 'refused') return again(ordered.why)
    return `/deliveries/${id}?done=${ordered.kind === 'ordered' ? 'withdrawing' : 'withdrawPending'}`
  })
}

/** @param of.sent the form that was not carried out, with its problem; null: the page is opened */
async function orderHtml(
  { lms, operations }: PageParts,
  { request, delivery, sent }: { request: FastifyRequest; delivery: Shown; sent: URLSearchParams | null },
): Promise<string> {
  const { id, withdrawable, state, lastEvent } = delivery
  const courses = withdrawable?.courses ?? []
  if (withdrawable === null || courses.length === 0) return html`<p class="note">${words.nothing}</p>`
  const stands = await lms.whatStands(withdrawable)
  const unread = stands.ok ? '' : html`<p class="note warning">${fill(words.unread, { reason: stands.message })}</p>`
  const mayBePaid = !stands.ok || stands.value.some(({ isPaid }) => isPaid)
  const paid = html`<div><input type="checkbox" id="paid" name="paid" value="yes"!${sent?.get('paid') === 'yes' ? ' checked' : ''}!${invalidMark(sent?.get('problem') === 'paidUnconfirmed')}> <label for="paid">${words.paid}</label><p class="quiet">${words.paidHelp}</p></div>`
  const hadBefore = html`<div><input type="checkbox" id="had-before" name="had_before" value="yes"!${sent?.get('had_before') === 'yes' ? ' checked' : ''}> <label for="had-before">${words.hadBefore}</label><p class="quiet">${words.hadBeforeHelp}</p></div>`
  const items = courses.map((line, index) => {
    const { course, result } = line
    const found = stands.ok ? stands.value.find((one) => one.course === course) : undefined
    const since = found === undefined || found.since === null ? '' : html`${words.since} !${timeHtml(found.since)}`
    const live = found === undefined ? '' : html`${TEXTS.palette.inLms} !${standingHtml(found, since)}`
    const reported = result === null ? words.possible : fill(words.reported, { result: TEXTS.outcome.results[result] })
    const said = wasThere(line) ? `${reported} ${words.wasThere}` : reported
    const isChosen = sent === null || sent.getAll('course').includes(course)
    return html`<li><input type="checkbox" id="course${index}" name="course" value="${course}"!${isChosen ? ' checked' : ''}!${invalidMark(sent?.get('problem') === 'noCourse')}> <label for="course${index}">!${courseNameHtml(course, request.courseName)}</label>
<div>${said} !${live}</div></li>`
  })
  const keys = courses.map(({ course }) => course)
  const others = await operations.summaries(await operations.otherSales(id, keys))
  // What the operator saw when they opened the form, however often they sent it since.
  const seen = seenOf(sent) ?? lastEvent
  return html`!${state === 'queued' ? html`<p class="note">${words.queued}</p>` : ''}!${unread}!${othersHtml(others, { keys, courseName: request.courseName })}
<form method="post" action="~/deliveries/${id}/withdraw" class="stack">!${seenField(seen)}
<fieldset><legend>${words.which}</legend><ul class="courses">!${items.join('')}</ul></fieldset>
!${courses.some(wasThere) ? hadBefore : ''}!${mayBePaid ? paid : ''}<label for="note">${words.note}</label><input id="note" name="note" dir="auto" size="40" maxlength="${NOTE_MAX}" autocomplete="off" value="${sent?.get('note') ?? ''}">
<button class="danger">${words.confirm}</button></form>`
}

/** The other sales that lose courses, too: by those of these courses that each still wants, and when it came. */
function othersHtml(
  others: readonly Summary[],
  { keys, courseName }: { keys: readonly string[]; courseName: CourseName },
): string {
  if (others.length === 0) return ''
  const items = others.map(({ id, lines, receivedAt }) => {
    const shared = lines.filter((line) => isWanted(line) && hasCourse(keys, line.course))
    const names = shared.map(({ course }) => courseInLineHtml(course, courseName)).join(', ')
    return html`<li>!${names} · <a href="~/deliveries/${id}">${TEXTS.delivery.bought} !${timeHtml(receivedAt)}</a></li>`
  })
  return html`<div class="note warning"><p>${words.others}</p><ul>!${items.join('')}</ul></div>`
}
