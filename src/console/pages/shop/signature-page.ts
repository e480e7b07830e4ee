import { html } from 'ghtml'
import { formText } from '../../../sale/words.ts'
import { type Examined, examine, type SignedText } from '../../../shop/signature/examine.ts'
import { withCodeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'

const words = TEXTS.signature
const CONTEXT = 60

/**
 * Adds the page that shows which form of the body a signature was made over, or the text that each form signs and where
 * the body first differs from it. It shows texts and never a signature, because anyone who sees one can send a sale.
 */
export function addSignaturePage({ scope, secrets, now }: PageParts): void {
  const path = '/signature'
  scope.page(path, async ({ sent }) => {
    const action = `~${path}`
    const field = (name: keyof Fields): string => sent?.get(name) ?? ''
    // In HTTP, spaces around a header's value are no part of it.
    const value = (name: Exclude<keyof Fields, 'body'>): string => field(name).trim()
    const fields = { body: field('body'), header: value('header'), id: value('id'), timestamp: value('timestamp') }
    const examined = (body: string): Examined => examine({ ...fields, body, secrets, now: now() })
    const result = sent === null ? '' : resultHtml(fields.body, examined)
    const main = formHtml({ ...fields, action, result })
    return { title: words.title, intro: html`${words.intro}`, current: path, main }
  })

  scope.form(path, async ({ form }) => ({ values: form }), { unconfirmed: true })
}

type Fields = Readonly<Record<'body' | 'header' | 'id' | 'timestamp', string>>

function formHtml(of: Fields & { action: string; result: string }): string {
  return html`<form method="post" action="${of.action}" hx-post="${of.action}" hx-target="#result" hx-select="#result" class="stack">
<label for="body">${words.body}</label>
<textarea id="body" name="body" rows="8" spellcheck="false" autocomplete="off" maxlength="65536">
${of.body}</textarea>
<label for="header">${words.header}</label>
<input id="header" name="header" value="${of.header}" spellcheck="false" autocomplete="off" maxlength="1500">
<div class="fields"><div class="stack"><label for="id">${words.id}</label>
<input id="id" name="id" value="${of.id}" spellcheck="false" autocomplete="off" maxlength="300"></div>
<div class="stack"><label for="timestamp">${words.timestamp}</label>
<input id="timestamp" name="timestamp" value="${of.timestamp}" spellcheck="false" autocomplete="off" maxlength="30"></div></div>
<button>${words.check}</button>
</form>
<div id="result" aria-live="polite">!${of.result}</div>`
}

/** What to say if the signature is that of the body with another end, whenever it was made; '' if it isn't. */
function lineBreakText(body: string, examined: (body: string) => Examined): string {
  const isOf = (text: string): boolean => {
    const { match, fault } = examined(text)
    return match !== null || fault === 'too_old' || fault === 'too_new'
  }
  const without = body.replace(/\r?\n$/, '')
  if (without === body) return isOf(`${body}\n`) ? words.lineBreak.missing : ''
  return isOf(without) ? words.lineBreak.extra : ''
}

function resultHtml(body: string, examined: (body: string) => Examined): string {
  const { match, fault, notJson, texts } = examined(body)
  const refusal = notJson === null ? '' : html`<p>${fill(words.notJson, { problem: notJson })}</p>`
  if (match !== null) {
    const grade = match.previousSecret || notJson !== null ? 'warning' : 'good'
    return html`<div class="note ${grade}"><h2>${words.matches}</h2>
<p>${fill(words.over, { form: formText(match.form) })}</p>
!${match.previousSecret ? html`<p>${words.previousSecret}</p>` : ''}
!${refusal}</div>`
  }
  const lineBreak = lineBreakText(body, examined)
  // Unless another cause is known, or there is no text to compare with.
  const mayBeSecret = lineBreak === '' && texts.length > 0 && (fault === null || fault === 'signature')
  const list = html`<h3>${words.acceptedTexts}</h3><p>${words.acceptedIntro}</p>!${texts.map((one) => textHtml(one, body)).join('')}`
  return html`<div class="note bad"><h2>${words.noMatch}</h2>
!${lineBreak !== '' ? html`<p>${lineBreak}</p>` : fault === null ? '' : html`<p>${words.faults[fault]}</p>`}
!${refusal}
!${mayBeSecret ? html`<p>!${withCodeHtml(words.secretHint)}</p>` : ''}</div>
!${texts.length === 0 ? '' : list}`
}

function textHtml({ form, text, differsAt }: SignedText, body: string): string {
  const name = html`<h4>${formText(form)}</h4>`
  if (form === 'standard') return html`!${name}<pre tabindex="0">${text}</pre>`
  if (differsAt === null) return html`!${name}<p>${words.same}</p>`
  const [mine, theirs] = [[...body.replaceAll('\r\n', '\n')], [...text]]
  const around = (characters: string[]): string => {
    const from = Math.max(0, differsAt - CONTEXT)
    const before = (from > 0 ? '…' : '') + characters.slice(from, differsAt).join('')
    const [at = '', ...after] = characters.slice(differsAt)
    return html`${before}<mark>${at === '' ? words.end : at}</mark>${after.join('')}`
  }
  return html`!${name}
<p>${fill(words.differs, { at: `${differsAt + 1}` })}</p>
<dl class="texts"><dt>${words.pasted}</dt><dd><pre tabindex="0">!${around(mine)}</pre></dd>
<dt>${words.expected}</dt><dd><pre tabindex="0">!${around(theirs)}</pre></dd></dl>`
}
