import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { operator, readable, startWithConsole } from './harness.ts'

const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)

/** As many as fit into a body, which may have 64 KiB. */
const COUNT = 5_700
const keys = Array.from({ length: COUNT - 1 }, (_, index) => `o/c/${index.toString(36)}`)

test('a sale that names thousands of courses leaves every page small and quick to read', async () => {
  await product.sell({ email: 'alice@example.com', courseIds: [DEMO] })
  const { status, headers } = await product.sell({ email: 'alice@example.com', courseIds: [DEMO, ...keys] })
  assert.equal(status, 400)
  const id = headers['x-lernito-delivery']
  for (const path of [`/deliveries/${id}`, `/people/${id}`, '/deliveries', '/courses', '/']) {
    const { text } = await someone.see(path)
    assert.ok(text.length < 600_000, `${path}: ${text.length}`)
  }
  assert.match(
    await someone.read(`/deliveries/${id}`),
    /o\/c\/5i not enrolled .* The payload names 5,500 more courses\./,
  )
  assert.match(await someone.read(`/people/${id}`), /The payload names 5,500 more courses\./)
  const courses = readable(await someone.see('/courses'))
  assert.match(courses, /Demo_Course .* 2 1 0 1/, 'the most sold are listed')
  assert.match(
    courses,
    /5,199 more courses have fewer sales\. Search the deliveries for them\. Courses: 5,700\. Sold: 5,701/,
  )
})
