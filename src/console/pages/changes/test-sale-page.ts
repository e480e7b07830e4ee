import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Operations } from '../../../operators/changes/operations.ts'
import { formOf, sessionOf } from '../../layout/guard.ts'
import { csrfField, sendPage } from '../../layout/layout.ts'
import { courseIdsOf, errorsHtml, readSaleForm, type SaleForm, saleFields } from '../../layout/operator-form.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'

const words = TEXTS.testSale
const NONCE_MAX = 64

/** Adds the page on which an operator makes a test sale. */
export function addTestSale({
  scope,
  site,
  operations,
}: {
  scope: FastifyInstance
  site: () => Site
  operations: Pick<Operations, 'testSale'>
}): void {
  const path = '/test-sale'
  const action = (): string => site().base + path

  scope.get(path, (request, reply) => {
    const session = sessionOf(request)
    const form = { email: '', courses: '' }
    const main = formHtml({ action: action(), session, form, nonce: randomUUID(), above: '' })
    return sendPage({ reply, site: site(), session, title: words.title, current: '/deliveries', main })
  })

  scope.post(path, async (request, reply) => {
    const session = sessionOf(request)
    const fields = formOf(request)
    const form = readSaleForm(fields)
    // The same form sent twice is one sale.
    const nonce = (fields.get('nonce') ?? '').slice(0, NONCE_MAX)
    const sale = { email: form.email, courseIds: courseIdsOf(form), nonce, by: session.username }
    const sold = await operations.testSale(sale)
    if (sold.kind === 'sold') return reply.redirect(`${site().base}/deliveries/${sold.id}?done=sold`, 303)
    const main = formHtml({ action: action(), session, form, nonce, above: errorsHtml(sold.errors) })
    return sendPage({ reply, site: site(), session, title: words.title, current: '/deliveries', main })
  })
}

function formHtml(of: { action: string; session: Session; form: SaleForm; nonce: string; above: string }): string {
  return html`<p>${words.intro}</p>!${of.above}
<form method="post" action="${of.action}" class="stack">!${csrfField(of.session)}!${saleFields(of.form)}
<input type="hidden" name="nonce" value="${of.nonce}"><button>${words.confirm}</button></form>`
}
