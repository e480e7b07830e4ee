import { html } from 'ghtml'
import { isWholeAddress, type Person } from '../../../operators/find/people.ts'
import { createForget, type ForgetAnswer } from '../../forget.ts'
import { hiddenFields, invalidMark, problemHtml } from '../../layout/elements.ts'
import { fillCount } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { readEmail } from '../deliveries/people-page.ts'

const words = TEXTS.forget

/** Adds the page on which an operator erases a person. The operator confirms it by typing the address. */
export function addForget({ scope, operations, ...parts }: PageParts): void {
  const forget = createForget(parts)
  const crumbs = [{ path: '/people', label: TEXTS.people.title }]
  const path = '/people/forget'

  // What is sent is the order, and if it was carried out, what it came to.
  scope.page(path, async ({ sent }) => {
    const email = sent === null ? '' : readEmail(sent)
    if (sent === null || !isWholeAddress(email)) return '/people'
    const main = sent.has('kind') ? answerHtml(sent) : orderHtml(sent, await operations.person(email))
    return { title: words.title, state: sent.get('title') ?? '', crumbs, current: '/people', main }
  })

  scope.form(path, async ({ form, by }) => {
    const [email, typed, allowances] = [readEmail(form), form.get('confirm'), form.get('allowances') === 'yes']
    const values = new URLSearchParams({ email, ...(allowances ? { allowances: 'yes' } : {}) })
    if (typed !== null) values.set('confirm', 'typed')
    const isConfirmed = isWholeAddress(email) && typed?.trim().toLowerCase() === email.toLowerCase()
    if (isConfirmed)
      for (const [name, text] of answerOf(await forget({ email, by, allowances }))) values.append(name, text)
    return { values }
  })
}

/** What an order came to, for its page: how good it is, a title, and lines. */
function answerOf(answer: ForgetAnswer): [name: string, text: string][] {
  const said = (grade: string, title: string, lines: readonly string[]): [string, string][] => [
    ['kind', answer.kind],
    ['grade', grade],
    ['title', title],
    ...lines.map((line): [string, string] => ['line', line]),
  ]
  if (answer.kind === 'in_progress') return said('', words.running.title, [words.running.text])
  if (answer.kind === 'refused') return said('warning', words.refused, [answer.message])
  const { deliveries, allowances, failure, clean } = answer
  return said(failure === null && clean ? 'good' : 'warning', words.done.title, [
    fillCount(words.done.deliveries, deliveries),
    ...(allowances === null ? [] : [fillCount(words.done.allowances, allowances)]),
    ...(failure === null ? [] : [fill(words.done.failure, { reason: failure })]),
    ...(clean ? [] : [words.done.traces]),
  ])
}

function orderHtml(sent: URLSearchParams, person: Person): string {
  const [email, isWrong] = [readEmail(sent), sent.has('confirm')]
  const list = (items: readonly string[]): string =>
    html`<ul>!${items.map((item) => html`<li>${item}</li>`).join('')}</ul>`
  return html`<p class="note bad">${fill(words.intro, { email })}</p>
<h2>${words.erased}</h2>!${list([fillCount(words.sales, person.salesCount), ...words.items])}
<h2>${words.kept}</h2>!${list(words.keptItems)}
<form method="post" action="~/people/forget" class="stack">!${hiddenFields({ email })}
<div><input type="checkbox" id="allowances" name="allowances" value="yes"!${sent.has('allowances') ? ' checked' : ''}> <label for="allowances">${words.allowances}</label><p class="quiet">${words.allowancesHelp}</p></div>
!${isWrong ? problemHtml(fill(words.wrong, { email })) : ''}<label for="confirm">${fill(words.type, { email })}</label><input id="confirm" name="confirm" size="40" spellcheck="false" autocomplete="off" required!${invalidMark(isWrong)}>
<button class="danger">${words.confirm}</button></form>`
}

function answerHtml(sent: URLSearchParams): string {
  const [email, allowances, kind] = [readEmail(sent), sent.get('allowances') ?? '', sent.get('kind')]
  const lines = sent.getAll('line').map((line) => html`<p>${line}</p>`)
  const again = html`<form method="post" action="~/people/forget">!${hiddenFields({ email, confirm: email, allowances })}<button>${words.repeat}</button></form>`
  return html`<div class="note ${sent.get('grade')}" !${kind === 'refused' ? 'role="alert"' : 'role="status" data-result'}><h2>${sent.get('title')}</h2>!${lines.join('')}</div>!${kind === 'in_progress' ? again : ''}<p><a href="~/changes">${words.changes}</a></p>`
}
