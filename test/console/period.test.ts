import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { boundsOf, periodLinks } from '../../src/console/layout/period.ts'
import { zoneOf } from '../../src/console/layout/zone.ts'
import { filterOf, readQuery } from '../../src/console/pages/deliveries/list-filters.ts'
import { DEMO } from '../harness.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const DAY_MS = 24 * 3_600_000
const PYTHON = 'course-v1:Lernito+PY101+2026'
const MISSING = 'course-v1:No+Such+Course'
/** 31 October 2026, 23:30 UTC: in Berlin, November has begun. */
let ahead = Date.UTC(2026, 9, 31, 23, 30) - Date.now()
const now = (): number => Date.now() + ahead
const product = await startWithConsole({ now, lms: { now } })
after(() => product.stop())
await product.sell({ email: 'alice@example.com', courseIds: [DEMO, PYTHON] })
await product.sell({ email: 'october@example.com', courseIds: [MISSING] })
ahead += 10 * DAY_MS
await product.sell({ email: 'november@example.com' })
let someone = await operator(product, now)
await someone.send('/test-sale', { email: 'test@example.com', courses: DEMO, nonce: 'n' })
const [failed = ''] = linksOf(await someone.see('/deliveries?q=october@')).flatMap(
  (link) => /deliveries\/(\w{26})/.exec(link)?.[1] ?? [],
)
await someone.send(`/deliveries/${failed}/correct`, { step: 'correct', email: '', courses: DEMO })
await someone.readUntil('/deliveries', /Queued 0 .*Waiting for buyers 3/)
ahead += DAY_MS
someone = await operator(product, now) // the session has ended

const see = (path: string, zone: string) => {
  someone.setCookie(product.console, `lernito_zone=${zone}; Path=/`)
  return someone.see(path)
}
const OCTOBER = 'from=2026-10-01&to=2026-10-31'
const NOVEMBER = 'from=2026-11-01'

test('a period is one of days of receiving in the reader’s zone: the tiles, the chart and the courses count the same sales', async () => {
  const october = readable(await see(`/?${OCTOBER}`, 'UTC'))
  assert.match(october, /Sales received 1 Oct – 31 Oct, .*? Sales 2 /)
  assert.match(
    october,
    /31 Oct 1 1 0 30 Oct 0 /,
    'the chart; a corrected sale counts as its correction, on the day on which it came',
  )
  assert.match(october, /Sales: 2\. .* adds up to 3\./)
  assert.match(
    readable(await see(`/?${NOVEMBER}`, 'UTC')),
    /Sales received 1 Nov – 11 Nov, .*? Sales 1 .*Sales: 1\. Download CSV/,
    'no sale of several courses',
  )
  assert.match(readable(await see(`/?${OCTOBER}`, 'Europe/Berlin')), /Sales received 1 Oct – 31 Oct, .*? Sales 0 /)
  assert.match(readable(await see(`/?${NOVEMBER}`, 'Europe/Berlin')), /Sales 3 .*Sales: 3\. .* adds up to 4\./)
})

test('each figure of a period is the length of the list behind it', async () => {
  for (const query of [OCTOBER, NOVEMBER]) {
    const { text } = await see(`/?${query}`, 'UTC')
    const figures = [
      ...text.matchAll(
        /href="([^"]+)"><strong>(\d+)<\/strong>|<a(?: class="bad")? href="([^"]+course[^"]+)">(\d+)<\/a>/g,
      ),
    ]
    assert.ok(figures.length >= 5, `${figures.length}`)
    for (const [, tile, ofTile, cell, ofCell] of figures) {
      const [link = ''] = linksOf({ text: `href="${tile ?? cell}"` })
      const list = readable(await see(link, 'UTC'))
      const [, total = '0'] = /\d+–\d+ of (\d+)/.exec(list) ?? []
      assert.equal(total, ofTile ?? ofCell, link)
    }
  }
})

test('the way to those who have waited for a week is there only in a period that began before', async () => {
  assert.match(readable(await see(`/?${NOVEMBER}`, 'UTC')), /Waiting for buyers 1 .*see those older than 7 days/)
  const days = readable(await see('/?from=2026-11-09', 'UTC'))
  assert.match(days, /Waiting for buyers 1 /)
  assert.doesNotMatch(days, /older than 7 days/)
})

test('the tabs of a period count what its list has', async () => {
  const list = readable(await see(`/deliveries?${NOVEMBER}`, 'UTC'))
  assert.match(list, /All 2 Needs attention 0 .*1–2 of 2/, 'with the test sale')
  assert.match(readable(await see(`/deliveries?${NOVEMBER}&sales=only`, 'UTC')), /All 1 .*1–1 of 1/)
  assert.match(readable(await see(`/deliveries?${OCTOBER}&state=handled`, 'UTC')), /Handled 1 .*1–1 of 1/)
})

test('last month, its courses and a file with names: two clicks from the overview', async () => {
  const overview = await see('/', 'UTC')
  const [lastMonth = ''] = linksOf({ text: overview.text.split('Last month')[0]?.split('<li>').at(-1) ?? '' })
  assert.equal(lastMonth, `/lernito/console/?${OCTOBER}`)
  const page = await see(lastMonth, 'UTC')
  const [file = ''] = linksOf(page).filter((link) => link.includes('.csv'))
  const { text } = await see(file, 'UTC')
  const [head = '', ...rows] = text
    .trimEnd()
    .split('\r\n')
    .map((row) => row.split(','))
  const columns = ['email', 'name', 'course', 'course_name', 'received', 'done'].map((name) =>
    head.indexOf(`"${name}"`),
  )
  const values = rows.map((row) => columns.map((column) => row[column]))
  assert.deepEqual(
    values.map(([email, name, course, , , done]) => [email, name, course, done]),
    [
      ['"october@example.com"', '"New Comer"', `"${DEMO}"`, '"allowed"'],
      ...[DEMO, PYTHON].map((course) => ['"alice@example.com"', '"New Comer"', `"${course}"`, '"enrolled"']),
    ],
  )
  for (const [, , , courseName, received] of values) {
    assert.notEqual(courseName, undefined)
    assert.match(received ?? '', /^"2026-10-31T23:3\d:\d\d\.\d{3}Z"$/)
  }
})

test('a period without a right beginning is that of 30 days, and one of many years the last 366 days', () => {
  const at = { now: Date.UTC(2026, 10, 11, 12), zone: zoneOf('UTC') }
  const days = (from: string, to: string) => {
    const { period, lastDay, bounds } = boundsOf({ from, to }, at)
    return [period.from, lastDay, bounds.length - 1]
  }
  assert.deepEqual(days('', ''), ['2026-10-13', '2026-11-11', 30])
  assert.deepEqual(days('2026-11-12', ''), ['2026-10-13', '2026-11-11', 30])
  assert.deepEqual(days('', '2026-03-31'), ['2026-03-02', '2026-03-31', 30])
  assert.deepEqual(days('1999-01-01', '2026-01-01'), ['2025-01-01', '2026-01-01', 366])
})

test('the courses after the twentieth are one row, so that the table adds up', async () => {
  const keys = Array.from({ length: 22 }, (_, n) => `course-v1:edX+C${n}+2026`)
  await product.sell({ email: 'many@example.com', courseIds: keys })
  someone = await operator(product, now)
  const today = new Date(now()).toISOString().slice(0, 10)
  const page = readable(await see(`/?from=${today}&to=${today}`, 'UTC'))
  const [, table = ''] = /Sales by course(.*)/.exec(page) ?? []
  assert.equal(table.match(/course-v1:edX/g)?.length, 20)
  assert.match(table, / 2 more courses 2 .* Total 22 /)
})

test('a day that no calendar has is no condition', () => {
  const query = (from: string) => readQuery(new URLSearchParams({ from })).from
  assert.deepEqual([query('2026-02-28'), query('2026-02-31'), query('28.2.2026')], ['2026-02-28', '', ''])
})

test('an empty search field is no condition', () => {
  const filterFor = (q: string) => filterOf(readQuery(new URLSearchParams({ q })), zoneOf('UTC'))
  assert.deepEqual(filterFor('  '), {})
  assert.deepEqual(filterFor(` ${DEMO} `), { find: DEMO })
})

test('the chart has a bar for each hour of one or two days, and for each day of a longer period', () => {
  const zone = zoneOf('Europe/Berlin')
  const at = Date.UTC(2026, 9, 26, 12)
  const lengths = (from: string): unknown[] => {
    const { by, bounds } = boundsOf({ from, to: '' }, { now: at, zone })
    return [by, bounds.length - 1]
  }
  assert.deepEqual(lengths('2026-10-26'), ['hour', 24])
  assert.deepEqual(lengths('2026-10-25'), ['hour', 49], 'the clocks were set back')
  assert.deepEqual(lengths('2026-10-24'), ['day', 3])
})

test('the list of an hour has its sales alone, until the reader removes the hour or chooses days', async () => {
  const hour = Date.UTC(2026, 9, 31, 23)
  const list = `/deliveries?sales=only&received=${hour}-${hour + 3_600_000}`
  const page = await see(list, 'UTC')
  assert.match(readable(page), /All 2 .*Received from 31 Oct 2026, 23:00 .* until 31 Oct 2026, 23:59 .*1–2 of 2/)
  const rest = linksOf(page).filter((link) => !link.includes('received='))
  assert.ok(rest.includes('/lernito/console/deliveries?sales=only'), 'a chip')
  assert.ok(rest.includes('/lernito/console/deliveries?sales=only&from=2026-11-11'), 'a period')
  assert.match(readable(await see(`${list}&from=2026-11-01`, 'UTC')), /Received from 1 Nov 2026, 00:00 UTC ×/)
  assert.match(readable(await see(`/deliveries?received=${hour - 3_600_000}-${hour}`, 'UTC')), /No delivery matches/)
})

test('of two usual periods with the same days, one is marked', () => {
  const [lastOfMonth, zone] = [Date.UTC(2026, 10, 30, 12), zoneOf('UTC')]
  const { period } = boundsOf({ from: '2026-11-01', to: '' }, { now: lastOfMonth, zone })
  const html = periodLinks({ period, now: lastOfMonth, zone, href: ({ from }) => from })
  assert.equal(html.match(/aria-current/g)?.length, 1)
})
