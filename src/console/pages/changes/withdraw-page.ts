import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Operations, Summary } from '../../../operators/changes/operations.ts'
import type { Withdrawable } from '../../../queue/withdraw.ts'
import { isSameCourse } from '../../../sale/course-key.ts'
import { DONE_STATES } from '../../../sale/types.ts'
import { courseHtml, timeHtml } from '../../layout/format.ts'
import { formOf, sessionOf } from '../../layout/guard.ts'
import { csrfField, sendPage } from '../../layout/layout.ts'
import type { LmsCalls } from '../../layout/lms-calls.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'
import { crumbsOf } from '../deliveries/delivery-view.ts'
import { standingText } from '../deliveries/standing.ts'
import { isPending, withdrawalsHtml } from '../deliveries/withdrawals.ts'

const words = TEXTS.withdraw

interface Parts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly operations: Pick<Operations, 'withdrawable' | 'withdraw' | 'withdrawals' | 'list'>
  readonly lms: LmsCalls
  readonly lmsUrl: string
}
type WithId = { Params: { id: string } }
type Stands = Awaited<ReturnType<LmsCalls['whatStands']>>

/** Adds the page on which an operator withdraws a delivery. It shows first what the LMS has for the buyer. */
export function addWithdrawal(parts: Parts): void {
  const { scope, site, operations, lms } = parts
  const path = '/deliveries/:id/withdraw'
  const here = (id: string): string => `${site().base}/deliveries/${encodeURIComponent(id)}`
  const again = (id: string, problem: keyof typeof words.problems): string => `${here(id)}/withdraw?problem=${problem}`

  scope.get<WithId>(path, async (request, reply) => {
    const { id } = request.params
    const session = sessionOf(request)
    const withdrawable = await operations.withdrawable(id)
    if (withdrawable === null) return reply.callNotFound()
    const crumbs = crumbsOf({ id, request: withdrawable })
    const pending = (await operations.withdrawals(id)).filter(isPending)
    const problem = new URL(request.url, site().origin).searchParams.get('problem')
    const [, text] = Object.entries(words.problems).find(([name]) => name === problem) ?? []
    const warning = text === undefined ? '' : html`<p class="note warning" role="alert">${text}</p>`
    const body =
      pending.length > 0
        ? html`<p class="note">${words.pending}</p>!${withdrawalsHtml(pending)}`
        : await orderHtml(parts, { id, withdrawable, session, action: `${here(id)}/withdraw` })
    const main = html`!${warning}<p>${words.intro}</p>!${body}<p><a href="${here(id)}">${TEXTS.operatorForm.back}</a></p>`
    return sendPage({ reply, site: site(), session, title: words.title, crumbs, current: '/deliveries', main })
  })

  scope.post<WithId>(path, async (request, reply) => {
    const { id } = request.params
    const form = formOf(request)
    const courses = form.getAll('course')
    const paid = form.get('paid') === 'yes'
    if (courses.length === 0) return reply.redirect(again(id, 'noCourse'), 303)
    const withdrawable = await operations.withdrawable(id)
    if (withdrawable === null) return reply.callNotFound()
    const stands = paid ? null : await lms.whatStands({ email: withdrawable.email, courses })
    // If the LMS can't be read now, the withdrawal itself leaves paid modes alone.
    const isPaid = stands?.ok && stands.value.some((one) => one.isPaid)
    if (isPaid) return reply.redirect(again(id, 'paidUnconfirmed'), 303)
    const ordered = await operations.withdraw({ id, courses, paid, by: sessionOf(request).username })
    if (ordered.kind === 'unknown') return reply.callNotFound()
    if (ordered.kind === 'refused') return reply.redirect(again(id, ordered.why), 303)
    return reply.redirect(`${here(id)}?done=${ordered.kind === 'ordered' ? 'withdrawing' : 'withdrawPending'}`, 303)
  })
}

async function orderHtml(
  { lms, lmsUrl, operations, site }: Parts,
  of: { id: string; withdrawable: Withdrawable; session: Session; action: string },
): Promise<string> {
  const { id, withdrawable, session, action } = of
  const { email, courses, isQueued } = withdrawable
  if (courses.length === 0) return html`<p class="note">${words.nothing}</p>`
  const stands = await lms.whatStands({ email, courses: courses.map(({ course }) => course) })
  const unread = stands.ok ? '' : html`<p class="note warning">${fill(words.unread, { reason: stands.message })}</p>`
  const mayBePaid = !stands.ok || stands.value.some(({ isPaid }) => isPaid)
  const paid = html`<div><input type="checkbox" id="paid" name="paid" value="yes"> <label for="paid">${words.paid}</label><p class="quiet">${words.paidHelp}</p></div>`
  const items = courses.map((one, index) => html`<li>!${choiceHtml({ ...one, index, stands, lmsUrl })}</li>`)
  const others = await otherDeliveries(operations, { id, withdrawable })
  return html`!${isQueued ? html`<p class="note">${words.queued}</p>` : ''}!${unread}!${othersHtml(others, site().base)}
<form method="post" action="${action}" class="stack">!${csrfField(session)}
<fieldset><legend>${words.which}</legend><ul class="courses">!${items.join('')}</ul></fieldset>
!${mayBePaid ? paid : ''}<button>${words.confirm}</button></form>`
}

function choiceHtml(of: {
  course: string
  reported: Withdrawable['courses'][number]['reported']
  index: number
  stands: Stands
  lmsUrl: string
}): string {
  const { course, reported, index, stands, lmsUrl } = of
  const found = stands.ok ? stands.value.find((one) => one.course === course) : undefined
  const since =
    found === undefined || found.since === null
      ? ''
      : html` <span class="quiet">${words.since} !${timeHtml(found.since)}</span>`
  const live = found === undefined ? '' : html`<br>${standingText(found)}!${since}`
  const said = reported === null ? words.possible : fill(words.reported, { result: TEXTS.outcome.results[reported] })
  return html`<input type="checkbox" id="course${index}" name="course" value="${course}" checked> <label for="course${index}">${course}</label>
<br>!${courseHtml(course, lmsUrl)}<br>${said}!${live}`
}

/** Other deliveries that put the same buyer into one of these courses. */
async function otherDeliveries(
  operations: Pick<Operations, 'list'>,
  { id, withdrawable: { email, courses } }: { id: string; withdrawable: Withdrawable },
): Promise<Summary[]> {
  const { items } = await operations.list({ filter: { email, states: [...DONE_STATES] } })
  const sold = (one: Summary): boolean =>
    Object.keys(one.outcome?.courses ?? {}).some((key) => courses.some(({ course }) => isSameCourse(course, key)))
  return items.filter((one) => one.id !== id && sold(one))
}

function othersHtml(others: readonly Summary[], base: string): string {
  if (others.length === 0) return ''
  const items = others.map((one) => html`<li><a href="${base}/deliveries/${one.id}">${one.id}</a></li>`)
  return html`<div class="note warning"><p>${words.others}</p><ul>!${items.join('')}</ul></div>`
}
