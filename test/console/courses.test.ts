import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { worldOf } from '../shop/courses/harness.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const TYPO = 'course-v1:Lernito+PY1O1+2026'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const CLOSED = 'course-v1:Lernito+Closed+2026'
const PRO = 'course-v1:Lernito+Pro+2026'

const product = await startWithConsole({ lms: { bulk: false, modify: false }, catalogueMs: 200 })
after(() => product.stop())
const seller = await operator(product)
const sold = await product.sell({ email: 'alice@example.com', courseIds: [DEMO] })
await product.sell({ email: 'erin@example.com', courseIds: [TYPO] })
await product.sell({ email: 'frank@example.com', courseIds: [TYPO, DEMO] })
await product.sell({ email: 'alice@example.com', courseIds: [CLOSED] })
await product.sell({ email: 'grace@example.com', courseIds: [PRO] })

/** A page, as soon as the catalogue has what was sold. */
const seen = (path: string, has: RegExp) =>
  until(`${path} with ${has}`, async () => {
    const page = await seller.see(path)
    return has.test(readable(page)) ? page : undefined
  })

test('the page of courses has what was sold by name, and what the LMS says; who can’t get in comes first', async () => {
  const page = await seen('/courses', /no such course.*no free mode/)
  const text = readable(page)
  assert.match(text, /What the shop sold since .* and what the LMS said about each course/)
  const [shut = '', others = ''] = text.split('Other courses')
  assert.match(shut, /Buyers can’t get in 2 courses, 3 sales/)
  assert.match(
    shut,
    /Not in the LMS course-v1:Lernito\+PY1 O 1\+2026 no such course looks like Python 101 2 0 0 2 Correct…/,
  )
  assert.match(
    shut,
    /Professional only course-v1:Lernito\+Pro\+2026 no free mode has: professional 1 0 0 1 Page in the LMS Replay 1…/,
  )
  assert.match(
    others,
    /Closed for enrolment course-v1:Lernito\+Closed\+2026 closed enrollment ended .* 1 1 0 0 Page in the LMS/,
  )
  assert.match(others, /Demonstration Course course-v1:edX\+DemoX\+Demo_Course open no end 2 1 0 1 Page in the LMS/)
  assert.match(
    others,
    /Courses: 4\. Sold: 6, of which enrolled: 2, waiting: 0, with problems: 4, handled: 0, withdrawn: 0\./,
  )
  assert.match(others, /8 more courses of the LMS were not sold in this time/)
})

test('the figures lead to their sales, and the wrong key to the correction of all of them', async () => {
  const links = linksOf(await seen('/courses', /no such course/))
  const correct = links.find((link) => link.includes('/correct?'))
  assert.ok(correct)
  const { from, ...query } = Object.fromEntries(new URL(correct, product.console).searchParams)
  assert.match(from ?? '', /^\d{4}-\d\d-\d\d$/)
  assert.deepEqual(query, {
    sales: 'only',
    state: 'needs_attention',
    cause: 'course.missing',
    about: TYPO,
    enroll_in: PYTHON,
  })
  assert.equal((await seller.see(correct)).status, 200)
  const list = links.find((link) => link.includes('/deliveries?') && link.includes('PY1O1') && link.includes('from='))
  assert.ok(list)
  const shown = await seller.read(list)
  assert.match(shown, /erin@example\.com/)
  assert.match(shown, /frank@example\.com/)
  assert.doesNotMatch(shown, /grace@example\.com/)
})

test('a figure of two states leads nowhere, because no list has exactly these sales', async () => {
  const { headers } = await product.sell({ email: 'not an address', courseIds: [TYPO] })
  const page = await seen('/courses', /PY1 O 1\+2026 no such course looks like Python 101 3 0 0 3 Correct…/)
  assert.match(page.text, /<span class="bad">3<\/span>/)
  await seller.send(`/deliveries/${headers['x-lernito-delivery']}/handled`, { as: 'settled', note: 'tried' })
})

test('another period counts its own sales, and its figures lead to the sales of that period', async () => {
  const [day = ''] = new Date().toISOString().split('T')
  assert.match(
    readable(await seen('/courses?from=2020-01-01&to=2020-01-31', /Demonstration/)),
    /Nothing was sold in this time/,
  )
  const links = linksOf(await seen(`/courses?from=${day}&to=${day}`, /Courses: 4\. Sold: 7/))
  const list = links.find(
    (link) => link.includes('/deliveries?') && link.includes('PY1O1') && link.includes('sales=only'),
  )
  const { from, to } = Object.fromEntries(new URL(list ?? '', product.console).searchParams)
  assert.deepEqual([from, to], [day, day])
})

test('a button corrects or replays the sales of the period', async () => {
  const [day = ''] = new Date().toISOString().split('T')
  const links = linksOf(await seen(`/courses?from=${day}&to=${day}`, /Correct….*Replay 1…/))
  for (const path of ['/correct?', '/replay?']) {
    const link = links.find((one) => one.includes(path)) ?? ''
    const { from, to, sales } = Object.fromEntries(new URL(link, product.console).searchParams)
    assert.deepEqual({ from, to, sales }, { from: day, to: day, sales: 'only' }, path)
  }
})

test('the button of a wrong key leads to the sales that failed for it alone, which are counted there', async () => {
  // It failed for the first of its wrong keys.
  await product.sell({ email: 'heidi@example.com', courseIds: ['course-v1:No+Such+2026', TYPO] })
  const page = await seen('/courses', /no such course looks like Python 101 4 0 0 3/)
  const correct = linksOf(page).find((link) => link.includes('/correct?'))
  assert.match(await seller.read(correct ?? ''), /Correct 2 sales to Python 101/)
})

test('a key that looks like no course leads to the correction, too, which asks for the course', async () => {
  const page = await seen('/courses', /course-v1:No\+Such\+2026 no such course 1 0 0 1 Correct…/)
  const correct = linksOf(page).find((link) => link.includes('/correct?') && link.includes('No%2BSuch'))
  assert.match(await seller.read(correct ?? ''), /Choose the course to enroll in below\./)
})

test('an LMS that can’t be asked leaves the courses, and the page says why and since when', async () => {
  await product.lms.faults([{ path: '/api/courses/v1/courses/', status: 500 }])
  const page = await seen('/courses', /could not be asked/)
  await product.lms.noFaults()
  assert.match(
    readable(page),
    /The LMS could not be asked for its courses .*: The LMS failed \(500 from .*This page shows what it said before/,
  )
  assert.match(readable(page), /Demonstration Course/)
})

test('the list of deliveries can be filtered by a course of the LMS and by a cause, each with the other filters kept', async () => {
  const links = linksOf(await seen('/deliveries?state=needs_attention', /Demonstration Course/))
  const queries = links
    .filter((link) => link.includes('/deliveries?'))
    .map((link) => new URL(link, product.console).searchParams)
  const state = 'needs_attention'
  const chosen = queries
    .map((query) => Object.fromEntries(query))
    .filter((query) => 'course' in query || 'cause' in query)
  assert.deepEqual(
    chosen.filter(({ course }) => course === DEMO),
    [{ state, course: DEMO }],
  )
  assert.ok(chosen.some(({ cause, about }) => cause === 'course.missing' && about === TYPO))
  const shown = await seller.read(`/deliveries?${new URLSearchParams({ state, course: DEMO })}`)
  assert.match(shown, /frank@example\.com.*Lernito\+PY1O1\+2026 failed Demonstration Course not enrolled/)
  assert.doesNotMatch(shown, /erin@example\.com/)
})

test('the causes to choose from lead to as many deliveries as they say, whatever tab they are chosen on', async () => {
  await product.sell({ email: 'not an address', courseIds: [DEMO] })
  const choices = async (path: string) =>
    [...(await seller.see(path)).text.matchAll(/<a class="choice" (href="[^"]*cause[^"]*")>(.*?)<\/a>/g)].map(
      ([, link = '', label = '']) => ({ link: linksOf({ text: link })[0] ?? '', label }),
    )
  const chosen = await choices('/deliveries?state=needs_attention')
  assert.ok(chosen.some(({ label }) => label.startsWith('Invalid fields')))
  for (const { link, label } of chosen) {
    const [, count] = /<span class="quiet">(\d+)<\/span>$/.exec(label) ?? []
    const list = await seller.read(link)
    assert.match(list, new RegExp(`1–${count} of ${count} `), label)
  }
  for (const { label } of await choices('/deliveries?q=erin')) assert.doesNotMatch(label, /\d<\/span>$/)
})

test('every page shows a course by its name, with the key beside it; a reply to the buyer has only the name', async () => {
  const id = String(sold.headers['x-lernito-delivery'])
  const delivery = await seen(`/deliveries/${id}`, /Demonstration Course course-v1:edX\+DemoX\+Demo_Course/)
  const reply = /<textarea id="reply-replyToBuyer"[^>]*>([^<]*)</.exec(delivery.text)?.[1] ?? ''
  assert.match(reply, /enrolled in Demonstration Course\./)
  assert.doesNotMatch(reply, /course-v1/)
  for (const path of ['/', '/deliveries', `/deliveries/${id}/withdraw`]) {
    assert.match(await seller.read(path), /Demonstration Course (?:course-v1:)?edX\+DemoX\+Demo_Course/, path)
  }
  const found = await seller.post(`${product.console}/search`, { csrf: seller.csrf, q: 'demonstration' })
  assert.match(found.text, /<b>Demonstration<\/b> Course/)
})

test('the page says what has changed in a course, and when', async () => {
  await seen('/courses', /no such course.*no free mode/)
  const renamed = { id: DEMO, name: 'Renamed Course', enrollment_end: '2026-01-01' }
  await product.lms.reset(worldOf([renamed, { id: TYPO, name: 'A new course' }]))
  const text = readable(await seen('/courses', /Renamed Course.*called Demonstration Course/))
  const changed = String.raw`changed \d+ \w+ 20\d\d, \d\d:\d\d UTC ?, before:`
  const lines = [
    String.raw`Renamed Course course-v1:edX\+DemoX\+Demo_Course closed enrollment ended .{0,30} ${changed} called Demonstration Course , open`,
    String.raw`A new course course-v1:Lernito\+PY1O1\+2026 open no end ${changed} no such course`,
    `Closed for enrolment .{0,50} no such course .{0,30}${changed} closed`,
  ]
  for (const line of lines) assert.match(text, new RegExp(line))
})

test('a wrong key is known as soon as it was sold, before the courses of the LMS are read', async (t) => {
  const other = await startWithConsole()
  t.after(() => other.stop())
  await other.sell({ email: 'erin@example.com', courseIds: [TYPO] })
  const page = await (await operator(other)).see('/courses')
  assert.match(readable(page), /PY1O1\+2026 no such course 1 0 0 1/)
})
