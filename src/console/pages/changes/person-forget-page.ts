import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { ForgottenPerson } from '../../../operators/changes/forget.ts'
import type { Operations } from '../../../operators/changes/operations.ts'
import type { Person } from '../../../operators/find/people.ts'
import { isWholeAddress } from '../../../operators/find/people.ts'
import { numberText } from '../../layout/format.ts'
import { formOf, sessionOf } from '../../layout/guard.ts'
import { csrfField, sendPage } from '../../layout/layout.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'
import { readEmail } from '../deliveries/people-page.ts'

const words = TEXTS.forget

/** `allowances`: whether to delete the LMS's unused allowances for the address too. */
export interface ForgetOrder {
  readonly email: string
  readonly by: string
  readonly allowances: boolean
}

/**
 * `in_progress`: it takes longer than a page waits, and continues. `refused`: a refund or a withdrawal for the person is to
 * be carried out first, as `message` says.
 */
export type ForgetAnswer =
  | ({ readonly kind: 'forgotten' } & ForgottenPerson)
  | { readonly kind: 'in_progress' }
  | { readonly kind: 'refused'; readonly message: string }

/** Adds the page on which an operator erases a person. The operator confirms it by typing the address. */
export function addForget({
  scope,
  site,
  operations,
  forget,
}: {
  scope: FastifyInstance
  site: () => Site
  operations: Pick<Operations, 'person'>
  forget: (order: ForgetOrder) => Promise<ForgetAnswer>
}): void {
  const path = '/people/forget'
  const crumbs = [{ path: '/people', label: TEXTS.people.title }]

  scope.post(path, async (request, reply) => {
    const session = sessionOf(request)
    const form = formOf(request)
    const [email, typed, allowances] = [readEmail(form), form.get('confirm'), form.get('allowances') === 'yes']
    if (!isWholeAddress(email)) return reply.redirect(`${site().base}/people`, 303)
    const { base } = site()
    const page = { session, base, email, allowances }
    const isConfirmed = typed?.trim().toLowerCase() === email.toLowerCase()
    const main = isConfirmed
      ? answerHtml({ ...page, answer: await forget({ email, by: session.username, allowances }) })
      : orderHtml({ ...page, person: await operations.person(email), isWrong: typed !== null })
    return sendPage({ reply, site: site(), session, title: words.title, crumbs, current: '/people', main })
  })
}

interface FormOf {
  readonly session: Session
  readonly base: string
  readonly email: string
  readonly allowances: boolean
}

/** @param of.isWrong whether the operator typed another address */
function orderHtml(of: FormOf & { person: Person; isWrong: boolean }): string {
  const { session, base, email, allowances, person, isWrong } = of
  const count = numberText(person.salesCount)
  const warning = html`<p class="note warning" role="alert">${fill(words.wrong, { email })}</p>`
  const list = (items: readonly string[]): string =>
    html`<ul>!${items.map((item) => html`<li>${item}</li>`).join('')}</ul>`
  return html`!${isWrong ? warning : ''}<p class="note bad">${fill(words.intro, { email })}</p>
<h2>${words.erased}</h2>!${list([fill(words.sales, { count }), ...words.items])}
<h2>${words.kept}</h2>!${list(words.keptItems)}
<form method="post" action="${base}/people/forget" class="stack">!${csrfField(session)}<input type="hidden" name="email" value="${email}">
<div><input type="checkbox" id="allowances" name="allowances" value="yes"!${allowances ? ' checked' : ''}> <label for="allowances">${words.allowances}</label><p class="quiet">${words.allowancesHelp}</p></div>
<label for="confirm">${fill(words.type, { email })}</label><input id="confirm" name="confirm" size="40" spellcheck="false" autocomplete="off" required>
<button>${words.confirm}</button></form>`
}

/** Returns the result, or says that there is none yet. */
export function answerHtml({ answer, session, base, email, allowances }: FormOf & { answer: ForgetAnswer }): string {
  const changes = html`<p><a href="${base}/changes">${words.changes}</a></p>`
  if (answer.kind === 'in_progress') {
    const { title, text } = words.running
    const again = html`<form method="post" action="${base}/people/forget">!${csrfField(session)}<input type="hidden" name="email" value="${email}"><input type="hidden" name="confirm" value="${email}">!${allowances ? html`<input type="hidden" name="allowances" value="yes">` : ''}<button>${words.repeat}</button></form>`
    return html`<div class="note" role="status"><h2>${title}</h2><p>${text}</p></div>!${again}!${changes}`
  }
  if (answer.kind === 'refused') {
    return html`<div class="note warning" role="alert"><h2>${words.refused}</h2><p>${answer.message}</p></div>!${changes}`
  }
  const lines = [
    fill(words.done.deliveries, { count: numberText(answer.deliveries) }),
    ...(answer.allowances === null ? [] : [fill(words.done.allowances, { count: numberText(answer.allowances) })]),
    ...(answer.failure === null ? [] : [fill(words.done.failure, { reason: answer.failure })]),
    ...(answer.clean ? [] : [words.done.traces]),
  ]
  const grade = answer.failure === null && answer.clean ? 'good' : 'warning'
  return html`<div class="note ${grade}" role="status"><h2>${words.done.title}</h2>!${lines.map((line) => html`<p>${line}</p>`).join('')}</div>!${changes}`
}
