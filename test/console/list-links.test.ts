import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { EVENTS_SECRET, startReceiver } from '../shop/events/receiver.ts'
import { linksOf, operator, startWithConsole } from './harness.ts'

const receiver = await startReceiver({ after })
const product = await startWithConsole({
  env: { LERNITO_EVENTS_URL: receiver.url, LERNITO_EVENTS_SECRET: EVENTS_SECRET },
})
after(() => product.stop())

test('after a form, the page of a delivery still knows the list that led to it', async () => {
  const ids: string[] = []
  for (const name of ['first', 'second']) {
    const { headers } = await product.sell({ email: `${name}@example.com`, courseIds: ['course-v1:No+Such+Course'] })
    ids.push(`${headers['x-lernito-delivery']}`)
  }
  const [older, newer] = ids
  const someone = await operator(product)
  const list = '?state=needs_attention'
  const forms = await someone.see(`/deliveries/${newer}${list}`)
  for (const action of ['replay', 'handled', 'check', 'send-again']) {
    assert.match(
      forms.text,
      new RegExp(`action="/lernito/console/deliveries/${newer}/${action}.state&#61;needs_attention"`),
    )
  }
  const results = [
    { action: 'handled', form: { as: 'settled', note: '' }, says: /Enter what was done/ },
    { action: 'send-again', form: {}, says: /The shop gets an event/ },
  ]
  for (const { action, form, says } of results) {
    const sent = await someone.send(`/deliveries/${newer}/${action}${list}`, form)
    const page = sent.location === '' ? sent : await someone.see(sent.location)
    assert.match(page.text, says)
    const links = linksOf(page)
    assert.ok(links.includes(`/lernito/console/deliveries/${older}${list}`), `the older one after ${action}`)
    assert.ok(links.includes(`/lernito/console/deliveries${list}`), `the list after ${action}`)
  }
})
