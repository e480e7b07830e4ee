import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { CheckedNow } from '../../../enroll/follow-up/check-now.ts'
import type { Operations } from '../../../operators/changes/operations.ts'
import type { Person } from '../../../operators/find/people.ts'
import { isWholeAddress } from '../../../operators/find/people.ts'
import { formOf, sessionOf } from '../../layout/guard.ts'
import { csrfField, sendPage } from '../../layout/layout.ts'
import type { LmsCalls } from '../../layout/lms-calls.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'
import { doneHtml } from './delivery-actions.ts'
import { accountHtml, salesHtml } from './person.ts'
import { timelineHtml } from './timeline.ts'

const words = TEXTS.people
/** Longer than any address, so that a longer text is refused and not cut. */
const EMAIL_MAX = 400

interface Parts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly operations: Pick<Operations, 'person' | 'buyerOf'>
  readonly lms: LmsCalls
  readonly checkNow: (order: { ids: readonly string[]; by: string }) => Promise<CheckedNow[]>
  readonly lmsUrl: string
}
type WithId = { Params: { id: string } }

/**
 * Adds the page of a person. Its address names one of the person's deliveries, and a form asks for a person by e-mail
 * address, so that no address of a person gets into the access log of a proxy.
 */
export function addPeople(parts: Parts): void {
  const { scope, site, operations, checkNow } = parts
  const path = '/people'
  const crumbs = [{ path, label: words.title }]

  scope.get(path, (request, reply) => {
    const session = sessionOf(request)
    const main = html`<p>${words.intro}</p>!${searchHtml({ session, base: site().base, email: '', problem: '' })}`
    return sendPage({ reply, site: site(), session, title: words.title, current: path, main })
  })

  // It changes nothing, so it works while the LMS can't confirm the operator.
  scope.post(path, { config: { unconfirmed: true } }, async (request, reply) => {
    const session = sessionOf(request)
    const email = readEmail(formOf(request))
    if (!isWholeAddress(email)) {
      const problem = html`<p class="note warning" role="alert">${words.notWhole}</p>`
      const main = searchHtml({ session, base: site().base, email, problem })
      return sendPage({ reply, site: site(), session, title: words.title, current: path, main })
    }
    const person = await operations.person(email)
    const [newest] = person.sales
    if (newest !== undefined) return reply.redirect(`${site().base}${path}/${newest.id}`, 303)
    const main = await personHtml(parts, { person, session, here: null })
    return sendPage({ reply, site: site(), session, title: person.email, crumbs, current: path, main })
  })

  scope.get<WithId>(`${path}/:id`, async (request, reply) => {
    const { id } = request.params
    const person = await operations.buyerOf(id)
    if (person === null) return reply.callNotFound()
    const session = sessionOf(request)
    const here = `${site().base}${path}/${encodeURIComponent(id)}`
    const main = doneHtml(request, words.done) + (await personHtml(parts, { person, session, here }))
    return sendPage({ reply, site: site(), session, title: person.email, crumbs, current: path, main })
  })

  scope.post<WithId>(`${path}/:id/check`, async (request, reply) => {
    const { id } = request.params
    const person = await operations.buyerOf(id)
    if (person === null) return reply.callNotFound()
    const checked = await checkNow({ ids: checkable(person), by: sessionOf(request).username })
    const done: keyof typeof words.done = checked.some((one) => 'failure' in one) ? 'unchecked' : 'checked'
    return reply.redirect(`${site().base}${path}/${encodeURIComponent(id)}?done=${done}`, 303)
  })
}

/** Reads the address in a posted form. */
export const readEmail = (form: URLSearchParams): string => (form.get('email') ?? '').trim().slice(0, EMAIL_MAX)

/** The next attempt checks a queued sale by itself. */
const checkable = ({ sales }: Person): string[] =>
  sales.filter(({ state, request }) => state !== 'queued' && request !== null).map(({ id }) => id)

function searchHtml(of: { session: Session; base: string; email: string; problem: string }): string {
  return html`!${of.problem}<form method="post" action="${of.base}/people" class="stack">!${csrfField(of.session)}
<label for="email">${words.email}</label><input id="email" name="email" value="${of.email}" inputmode="email" size="40" spellcheck="false" autocomplete="off" maxlength="${EMAIL_MAX}" required>
<button>${words.show}</button></form>`
}

/** Returns a button that leads to the page of a person, with or without a sale. */
export const personButton = (of: { session: Session; base: string; email: string }): string =>
  html`<form method="post" action="${of.base}/people" class="tools">!${csrfField(of.session)}<input type="hidden" name="email" value="${of.email}"><button class="plain">${fill(words.showAddress, { email: of.email })}</button></form>`

/** @param of.here the address of the page; null if there is no sale to name */
async function personHtml(
  { lms, lmsUrl, site }: Parts,
  of: { person: Person; session: Session; here: string | null },
): Promise<string> {
  const { person, session, here } = of
  const { email, sales, timeline, hasMoreEvents } = person
  const { base } = site()
  const account = await lms.account(email)
  const csrf = csrfField(session)
  const check = html`<form method="post" action="${here ?? ''}/check">!${csrf}<button>${words.check}</button></form>`
  const forget = html`<form method="post" action="${base}/people/forget">!${csrf}<input type="hidden" name="email" value="${email}"><button class="second">${words.forget}</button></form>`
  const history = html`<h2>${TEXTS.delivery.timeline}</h2>!${hasMoreEvents ? html`<p>${words.moreEvents}</p>` : ''}!${timelineHtml({ events: timeline, base })}`
  const request = sales.find((sale) => sale.request !== null)?.request
  const name = request
    ? fill(words.buyer, { name: `${request.name} ${request.family}`, username: request.username })
    : ''
  return html`!${name === '' ? '' : html`<p class="quiet">${name}</p>`}!${accountHtml(account, lmsUrl)}
<div class="actions">!${here !== null && checkable(person).length > 0 ? check : ''}!${forget}</div>
!${salesHtml(person, { base, lmsUrl })}
!${sales.length === 0 ? '' : history}`
}
