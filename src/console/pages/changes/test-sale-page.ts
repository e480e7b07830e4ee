import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { csrfField, hiddenField } from '../../layout/elements.ts'
import { sendPage } from '../../layout/layout.ts'
import { formOf, sessionOf } from '../../layout/request.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { leadToPage, sentForm } from '../../session/sent-form.ts'
import { courseIdsOf, errorsHtml, errorTexts, readSaleForm, type SaleForm, saleFields } from './sale-form.ts'

const words = TEXTS.testSale
const NONCE_MAX = 64

/** Adds the page on which an operator makes a test sale. */
export function addTestSale({ scope, operations }: PageParts): void {
  const path = '/test-sale'
  const send = (reply: FastifyReply, sent: URLSearchParams | null): FastifyReply => {
    const form = readSaleForm(sent ?? new URLSearchParams())
    const [nonce, errors] = [sent?.get('nonce') ?? randomUUID(), sent?.getAll('error') ?? []]
    const above = errors.length === 0 ? '' : errorsHtml(errors)
    return sendPage({
      reply,
      title: words.title,
      current: '/deliveries',
      main: formHtml(reply.request, { form, nonce, above }),
    })
  }

  scope.get(path, (request, reply) => send(reply, sentForm(request)))

  scope.post(path, async (request, reply) => {
    const fields = formOf(request)
    const form = readSaleForm(fields)
    // The same form sent twice is one sale.
    const nonce = (fields.get('nonce') ?? '').slice(0, NONCE_MAX)
    const sale = { email: form.email, courseIds: courseIdsOf(form), nonce, by: sessionOf(request).username }
    const sold = await operations.testSale(sale)
    if (sold.kind === 'sold') return reply.redirect(`${request.site.base}/deliveries/${sold.id}?done=sold`, 303)
    const values = new URLSearchParams({ ...form, nonce })
    for (const text of errorTexts(sold.errors)) values.append('error', text)
    return leadToPage({ reply, path: request.site.base + path, values }, () => send(reply, values))
  })
}

function formHtml(request: FastifyRequest, of: { form: SaleForm; nonce: string; above: string }): string {
  return html`<p>${words.intro}</p>!${of.above}
<form method="post" action="${request.site.base}/test-sale" class="stack">!${csrfField(request)}!${saleFields(of.form)}
!${hiddenField('nonce', of.nonce)}<button>${words.confirm}</button></form>`
}
