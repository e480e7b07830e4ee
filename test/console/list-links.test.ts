import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { linksOf, operator, startWithConsole } from './harness.ts'

const product = await startWithConsole()
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
  for (const action of ['replay', 'handled', 'check']) {
    assert.match(
      forms.text,
      new RegExp(`action="/lernito/console/deliveries/${newer}/${action}.state&#61;needs_attention"`),
    )
  }
  const { location } = await someone.send(`/deliveries/${newer}/handled${list}`, { note: '' })
  const page = await someone.see(new URL(location, product.console).href.replace(product.console, ''))
  assert.match(page.text, /Enter what was done/)
  const links = linksOf(page)
  assert.ok(links.includes(`/lernito/console/deliveries/${older}${list}`), 'the older one')
  assert.ok(links.includes(`/lernito/console/deliveries${list}`), 'the list')
})
