import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { DEMO, lockDatabase } from '../harness.ts'
import { until } from '../service/process.ts'
import { worldOf } from '../shop/courses/harness.ts'
import { EVENTS_SECRET, startReceiver, statusAnswer } from '../shop/events/receiver.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

async function setUp(t: TestContext, { catalogueMs }: { catalogueMs?: number } = {}) {
  const receiver = await startReceiver(t)
  const env = { LERNITO_EVENTS_URL: receiver.url, LERNITO_EVENTS_SECRET: EVENTS_SECRET }
  const product = await startWithConsole({ env, ...(catalogueMs === undefined ? {} : { catalogueMs }) })
  t.after(() => product.stop())
  const someone = await operator(product)
  const pageWith = (words: RegExp): Promise<string> => someone.readUntil('/events', words)
  return { ...product, receiver, someone, pageWith, sold: product.idOf }
}

test('the page shows what waits and why, and an operator sends again after a 410', async (t) => {
  const { pageWith, sold, receiver, someone } = await setUp(t)
  receiver.answer(statusAnswer(410))
  const id = await sold('alice@example.com')
  const text = await pageWith(/answered 410 Gone: it wants no more events\. Nothing is sent until you send again/)
  assert.match(text, /Waiting 1, the oldest since/)
  assert.match(text, /delivery\.enrolled New Comer alice@example\.com/)
  assert.match(text, /Last error the endpoint answered 410 Gone/)
  receiver.answer(null)
  const answered = await someone.send('/events/send-again')
  assert.equal(answered.status, 303)
  assert.match(answered.location, /\/events\?done=again$/)
  await receiver.received(({ data }) => data.id === id)
  await pageWith(/The shop has every event/)
  assert.match(await someone.read('/changes'), /Sent to the shop again .* events that waited: 1, given up before: 0/)
})

test('while events wait, the page updates itself, and does not say that an endpoint works whose last answer was an error', async (t) => {
  const { pageWith, sold, receiver, someone } = await setUp(t)
  await sold('alice@example.com')
  await receiver.received(({ type }) => type === 'delivery.enrolled')
  await pageWith(
    /The shop’s endpoint works\. Last accepted .* Waiting 0 Given up after three days 0 The shop has every event\./,
  )
  assert.doesNotMatch((await someone.see('/events')).text, /hx-target="#events"/)
  receiver.answer(statusAnswer(410))
  await sold('erin@example.com')
  await pageWith(/answered 410 Gone/)
  receiver.answer(() => {}) // never answers
  await someone.send('/events/send-again')
  const page = await someone.see('/events?done=again')
  assert.match(readable(page), /Trying now: one event\. Dismiss .*The last attempt to reach the shop’s endpoint failed/)
  assert.match(page.text, /<span role="status">The last attempt/, 'a screen reader says when it works again')
  assert.match(page.text, /id="events"[\s\S]*hx-get="[^"]*\/events" hx-trigger="every 5s"[^>]* hx-target="#events"/)
})

test('while the last attempt has failed, the page does not say that the endpoint works', async (t) => {
  const { pageWith, sold, receiver } = await setUp(t)
  receiver.answer(statusAnswer(500))
  await sold('alice@example.com')
  await pageWith(/The last attempt to reach the shop’s endpoint failed\. The service sends the event again\./)
})

test('of more events than the page lists, it says that these are the oldest', async (t) => {
  const { pageWith, sold, receiver } = await setUp(t)
  receiver.answer(statusAnswer(410))
  const emails = Array.from({ length: 101 }, (_, index) => `many-${index}@example.com`)
  await sold('first@example.com')
  assert.doesNotMatch(await pageWith(/410 Gone/), /are listed/)
  await Promise.all(emails.map((email) => sold(email)))
  await pageWith(/Waiting 102, .* Only the oldest 100 are listed\./)
})

test('more events than are counted are not called 10,000', async (t) => {
  const { pageWith, sold, receiver, someone, folder } = await setUp(t)
  receiver.answer(statusAnswer(410))
  await sold('first@example.com')
  await pageWith(/410 Gone.* Waiting 1,/)
  const database = await lockDatabase({ folder })
  database.exec(`with recursive n(i) as (select 10000 union all select i + 1 from n where i < 20000)
    insert into outbox select 'COPY' || i, about, seq, type, body, created_at, due_at, 0, null, null from outbox, n`)
  database.exec('commit')
  database.close()
  await pageWith(/Waiting 10,000\+, the oldest since/)
  const badge = /Events to the shop <span class="count bad">10,000\+</
  await until('the menu', async () => badge.test((await someone.see('/events')).text) || undefined)
})

test('an event about a course names the course, and leads to no delivery', async (t) => {
  const { pageWith, sold, receiver, someone, lms } = await setUp(t, { catalogueMs: 100 })
  receiver.answer(statusAnswer(410))
  const id = await sold('alice@example.com')
  await pageWith(/answered 410 Gone: it wants no more events/)
  await someone.readUntil('/courses', /open no end/)
  await lms.reset(worldOf([{ id: DEMO, name: 'Another name' }]))
  await pageWith(/course\.changed Another name course-v1:edX\+DemoX\+Demo_Course/)
  const leads = linksOf(await someone.see('/events')).filter((link) => /\/deliveries\/./.test(link))
  assert.deepEqual(leads, [`/lernito/console/deliveries/${id}`])
})

test("a delivery's page tells the shop of it again", async (t) => {
  const { sold, receiver, someone } = await setUp(t)
  const id = await sold('alice@example.com')
  await until('the event', () => (receiver.types(id).length === 1 ? true : undefined))
  assert.match(await someone.read(`/deliveries/${id}`), /Send the result to the shop again/)
  const { location } = await someone.send(`/deliveries/${id}/send-again`)
  assert.match(location, /\?done=sentAgain$/)
  await until('the second event', () => (receiver.types(id).length === 2 ? true : undefined))
  assert.equal(new Set(receiver.got.map(({ webhookId }) => webhookId)).size, 2)
  assert.match(await someone.read(`/deliveries/${id}`), /Sent to the shop again by \S+ · as enrolled/)
  assert.equal((await someone.send('/deliveries/01KGA000000000000000000001/send-again')).status, 404)
})

test('without LERNITO_EVENTS_URL the page says so, and nothing can be sent', async (t) => {
  const product = await startWithConsole()
  t.after(() => product.stop())
  const someone = await operator(product)
  const id = await product.idOf('alice@example.com')
  assert.match(await someone.read('/events'), /LERNITO_EVENTS_URL is not set/)
  assert.doesNotMatch(await someone.read(`/deliveries/${id}`), /Send the result to the shop again/)
  assert.equal((await someone.send('/events/send-again')).status, 404)
  assert.equal((await someone.send(`/deliveries/${id}/send-again`)).status, 404)
})
