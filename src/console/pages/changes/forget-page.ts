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
    const page = { email, allowances: sent.get('allowances') === 'yes' }
    const main = sent.has('kind')
      ? answerHtml({ ...page, answer: sent })
      : orderHtml({ ...page, person: await operations.person(email), isWrong: sent.has('confirm') })
    return { title: words.title, crumbs, current: '/people', main }
  })

  scope.form(path, async ({ form, by }) => {
    const [email, typed, allowances] = [readEmail(form), form.get('confirm'), form.get('allowances') === 'yes']
    const values = new URLSearchParams({ email, ...(allowances ? { allowances: 'yes' } : {}) })
    if (typed !== null) values.set('confirm', 'typed')
    const isConfirmed = isWholeAddress(email) && typed?.trim().toLowerCase() === email.toLowerCase()
    if (isConfirmed) addAnswer(values, await forget({ email, by, allowances }))
    return { values }
  })
}

/** Adds what an order came to: its kind, how good it is, and what to say. */
function addAnswer(values: URLSearchParams, answer: ForgetAnswer): void {
  values.set('kind', answer.kind)
  if (answer.kind === 'refused') values.append('line', answer.message)
  if (answer.kind !== 'forgotten') return
  values.set('grade', answer.failure === null && answer.clean ? 'good' : 'warning')
  const lines = [
    fillCount(words.done.deliveries, answer.deliveries),
    ...(answer.allowances === null ? [] : [fillCount(words.done.allowances, answer.allowances)]),
    ...(answer.failure === null ? [] : [fill(words.done.failure, { reason: answer.failure })]),
    ...(answer.clean ? [] : [words.done.traces]),
  ]
  for (const line of lines) values.append('line', line)
}

interface FormOf {
  readonly email: string
  readonly allowances: boolean
}

function orderHtml(of: FormOf & { person: Person; isWrong: boolean }): string {
  const { email, allowances, person, isWrong } = of
  const list = (items: readonly string[]): string =>
    html`<ul>!${items.map((item) => html`<li>${item}</li>`).join('')}</ul>`
  return html`<p class="note bad">${fill(words.intro, { email })}</p>
<h2>${words.erased}</h2>!${list([fillCount(words.sales, person.salesCount), ...words.items])}
<h2>${words.kept}</h2>!${list(words.keptItems)}
<form method="post" action="~/people/forget" class="stack">!${hiddenFields({ email })}
<div><input type="checkbox" id="allowances" name="allowances" value="yes"!${allowances ? ' checked' : ''}> <label for="allowances">${words.allowances}</label><p class="quiet">${words.allowancesHelp}</p></div>
!${isWrong ? problemHtml(fill(words.wrong, { email })) : ''}<label for="confirm">${fill(words.type, { email })}</label><input id="confirm" name="confirm" size="40" spellcheck="false" autocomplete="off" required!${invalidMark(isWrong)}>
<button class="danger">${words.confirm}</button></form>`
}

function answerHtml({ answer, email, allowances }: FormOf & { answer: URLSearchParams }): string {
  const [kind, lines] = [answer.get('kind'), answer.getAll('line').map((line) => html`<p>${line}</p>`)]
  const changes = html`<p><a href="~/changes">${words.changes}</a></p>`
  if (kind === 'in_progress') {
    const { title, text } = words.running
    const again = html`<form method="post" action="~/people/forget">!${hiddenFields({ email, confirm: email, allowances: allowances ? 'yes' : '' })}<button>${words.repeat}</button></form>`
    return html`<div class="note" role="status"><h2>${title}</h2><p>${text}</p></div>!${again}!${changes}`
  }
  if (kind === 'refused') {
    return html`<div class="note warning" role="alert"><h2>${words.refused}</h2>!${lines.join('')}</div>!${changes}`
  }
  return html`<div class="note ${answer.get('grade') ?? ''}" role="status"><h2>${words.done.title}</h2>!${lines.join('')}</div>!${changes}`
}
