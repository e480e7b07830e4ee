import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { csrfOf, linksOf, operator, readable, startWithConsole } from './harness.ts'
import { createVisitor } from './visitor.ts'

const MISSING = 'course-v1:Lernito+Missing+2026'
const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)
const { idOf } = product
const id = await idOf('buyer@example.com', [MISSING])
const page = `/deliveries/${id}`

test('a form whose session has ended shows its text, and leads back to its page', async () => {
  const form = { csrf: 'old', note: 'refunded, <order> 1182' }
  const headers = { referer: `${product.console}${page}?done=replayed` }
  const seen = await createVisitor().post(`${product.console}${page}/handled`, form, headers)
  assert.equal(seen.status, 401)
  assert.match(readable(seen), /You are signed out .* What you typed .* Note refunded, &?lt;?|<order>/)
  assert.match(seen.text, />\nrefunded, &#60;order&#62; 1182<\/textarea>/)
  assert.ok(linksOf(seen).includes(`${product.console}${page}`))
  assert.doesNotMatch(seen.text, /old/, 'not the token')
})

test('so does a form of another session, and one that another site sends shows nothing', async () => {
  const url = `${product.console}${page}/handled`
  const headers = { referer: product.console + page }
  const own = await someone.post(url, { csrf: 'of another session', note: 'refunded' }, headers)
  assert.equal(own.status, 403)
  assert.match(own.text, />\nrefunded<\/textarea>/)
  for (const visitor of [someone, createVisitor()]) {
    const foreign = await visitor.post(url, { csrf: 'x', note: 'a trick' }, { origin: 'https://evil.test' })
    assert.ok([401, 403].includes(foreign.status))
    assert.doesNotMatch(foreign.text, /a trick/)
  }
})

test('the preview of a correction has an address of its own, which tells nobody else what is in it', async () => {
  const form = { csrf: someone.csrf, step: 'preview', email: 'right@example.com', courses: DEMO }
  const sent = await someone.post(`${product.console}${page}/correct`, form)
  assert.equal(sent.status, 303)
  assert.match(sent.location, /\/correct\?kept=[\w-]+$/)
  const seen = await someone.get(product.url + sent.location)
  assert.match(readable(seen), /A new delivery for right@example\.com in:/)
  const other = await (await operator(product)).get(product.url + sent.location)
  assert.equal(other.status, 200)
  assert.doesNotMatch(other.text, /right@example\.com/)
  for (const damaged of ['', 'x', sent.location.split('=')[1]?.slice(0, -2) ?? '']) {
    assert.equal((await someone.get(`${product.console}${page}/correct?kept=${damaged}`)).status, 200)
  }
  assert.equal(csrfOf(seen), someone.csrf)
})

test('a withdrawal that is not carried out comes back with the courses that were chosen, and with its note', async () => {
  const python = 'course-v1:Lernito+PY101+2026'
  const { headers } = await product.sell({ email: 'alice@example.com', courseIds: [DEMO, python] })
  const path = `/deliveries/${headers['x-lernito-delivery']}/withdraw`
  await product.lms.seed({
    enrollments: [{ email: 'alice@example.com', course: DEMO, mode: 'verified', active: true }],
  })
  const seen = await someone.send(path, { course: DEMO, note: 'refund 1182' })
  assert.match(readable(seen), /At least one of the courses is in a paid course mode/)
  const boxes = [...seen.text.matchAll(/name="course" value="([^"]*)"( checked)?/g)]
  assert.deepEqual(
    boxes.map(([, course, checked]) => [course, checked !== undefined]),
    [
      [DEMO, true],
      [python, false],
    ],
  )
  assert.match(seen.text, /name="note"[^>]* value="refund 1182"/)
})

test('a form that is too long for an address is answered directly', async () => {
  const body = Array.from({ length: 3_000 }, (_, index) => (index * 2_654_435_761).toString(36)).join('')
  const seen = await someone.send('/signature', { body, header: 'ab'.repeat(32) })
  assert.equal(seen.status, 200)
  assert.match(readable(seen), /The signature is refused/)
})

test('after the erasure of a person, its page can be opened again and erases nothing', async () => {
  await idOf('gone@example.com')
  const form = { csrf: someone.csrf, email: 'gone@example.com', confirm: 'gone@example.com' }
  const sent = await someone.post(`${product.console}/people/forget`, form)
  assert.equal(sent.status, 303)
  await idOf('gone@example.com')
  for (let times = 0; times < 2; times++) {
    assert.match(readable(await someone.get(product.url + sent.location)), /Deliveries erased: 1\./)
  }
  assert.match(await someone.read('/deliveries?q=gone@example.com'), /gone@example\.com/)
})

test('a list has in its address only what filters it', async () => {
  const seen = await someone.get(`${product.console}/deliveries?q=costa&state=bogus&from=&to=&replay=&skip=50&after=`)
  assert.equal(seen.status, 303)
  assert.equal(seen.location, '/lernito/console/deliveries?q=costa&skip=50')
  assert.equal((await someone.get(product.url + seen.location)).status, 200)
})

test('each page that updates itself has a live region for what changes', async () => {
  for (const path of ['/', '/deliveries', page, '/incidents', '/events']) {
    const { text } = await someone.see(path)
    assert.match(text, /<header class="top">[\s\S]*class="updates" aria-live="polite"/, path)
    if (path !== '/events') assert.match(text, /<main[\s\S]*(role="status"|aria-live="polite")(?![^>]*hidden)/, path)
  }
})
