import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { planPast, worldAfter } from '../../sandbox/demo/plan.ts'
import { readWorld } from '../../sandbox/lms/world.ts'
import { openDatabase } from '../../src/database/database.ts'
import { listIncidents } from '../../src/operators/incidents/incidents.ts'
import { control } from '../harness.ts'
import { run, start, temporaryFolder, until } from '../service/process.ts'

const NOW = Date.UTC(2026, 10, 25, 12)
const HOUR = 3_600_000
const MINUTE = 60_000

test('the same seed and time give the same sales, and another seed gives others', () => {
  const sales = planPast({ seed: 7, now: NOW })
  assert.deepEqual(planPast({ seed: 7, now: NOW }), sales)
  assert.notDeepEqual(planPast({ seed: 8, now: NOW }), sales)
  assert.deepEqual(
    sales.map(({ at }) => at),
    sales.map(({ at }) => at).sort((a, b) => a - b),
  )
  assert.ok(sales.every(({ at, settledAt }) => at > NOW - 30 * 24 * HOUR && settledAt < NOW && at <= NOW - HOUR))
})

test('for every seed, the demo has each end, an outage, and a world that the stand-in accepts', () => {
  for (let seed = 0; seed < 20; seed++) {
    const sales = planPast({ seed, now: NOW })
    const ends = new Set(sales.map(({ end }) => end))
    assert.deepEqual([...ends].sort(), ['enrolled', 'full', 'handled', 'invalid', 'missing', 'pre_enrolled', 'retired'])
    const late = sales.filter(({ isInOutage }) => isInOutage)
    assert.ok(late.length >= 6 && late.every(({ end }) => end === 'enrolled'))
    readWorld(worldAfter(defaultWorld, sales))
  }
})

const receivedIn = ({ log }: Pick<ReturnType<typeof start>, 'log'>): number =>
  log().filter(({ event }) => event === 'received').length

test('sandbox --demo serves 30 days of sales, and those of today came through the webhook', async (t) => {
  const data = temporaryFolder(t)
  const args = ['sandbox', '--demo', '--data', data, '--port', '0', '--service-port', '0']
  const running = start({ t, args })
  const text = () => running.stdout().match(/^lernito-openedx is.*^Ctrl\+C/ms)?.[0]
  const welcome = await until('the welcome', text, 240_000) // after a thousand transactions
  const db = new DatabaseSync(join(data, 'lernito.db'), { readOnly: true })
  t.after(() => db.close())
  const all = (sql: string): unknown[] =>
    db
      .prepare(sql)
      .all()
      .map((row) => Object.values(row)[0])
  // Today's sales come through the webhook, and one of them may still be in an attempt.
  await until('the end of the attempts', async () =>
    all("select id from deliveries where state = 'queued'").length === 0 && receivedIn(running) === 11
      ? true
      : undefined,
  )
  assert.deepEqual(all('select distinct state from deliveries order by state'), [
    'enrolled',
    'handled',
    'needs_attention',
    'pre_enrolled',
    'rejected',
  ])
  // A sale that the LMS refused names its course, so the past and today are one cause.
  assert.deepEqual(all("select distinct subject from deliveries where reason = 'lms.refused'"), [
    'course-v1:lernito+full+2026',
  ])
  assert.ok(Number(all('select count(distinct received_at / 86400000) from deliveries')[0]) >= 29)
  assert.ok(Number(all("select count(*) from events where kind = 'retry_scheduled'")[0]) >= 6)
  assert.deepEqual(
    all('select count(*) from events e where not exists (select 1 from deliveries d where d.id = e.delivery_id)'),
    [0],
  )
  const database = openDatabase({ url: `sqlite:${join(data, 'lernito.db')}`, serve: false })
  t.after(() => database.close())
  const {
    items: [incident, ...others],
  } = await listIncidents(database.db, { now: Date.now() })
  assert.ok(incident?.to && incident.lastEnrolledAt)
  assert.deepEqual(others, [])
  await until('the answers to the shop', async () =>
    all("select id from events where kind in ('received', 'repeated') and answer is null").length === 0
      ? true
      : undefined,
  )
  const { kind, cause, from, to, sales, counts, lastEnrolledAt } = incident
  const [late] = all("select count(*) from events where detail like 'no attempt counted: The LMS is not available%'")
  assert.deepEqual([kind, cause, counts.queued], ['down', 'The LMS is not available (503)', 0])
  const atItsEnd = sales - Number(late) // a sale may come in the seconds before the first of the others is enrolled
  assert.ok(atItsEnd === 0 || atItsEnd === 1, `${sales} sales, ${late} of them late`)
  assert.ok(to - from > 20 * MINUTE && to - from <= 42 * MINUTE + 2000)
  assert.ok(lastEnrolledAt > to && lastEnrolledAt < to + MINUTE)
  // What the inbox reports is what the stand-in LMS has.
  const lms = control(welcome.match(/^ *Stand-in LMS +(http:\S+)\/$/m)?.[1] ?? '')
  const { enrollments, allowances } = await lms.state()
  const has = new Set([...enrollments, ...allowances].map(({ email, course }) => `${email} ${course}`))
  const reported = db
    .prepare(
      'select email, course_key from deliveries inner join delivery_lines on delivery_id = id where result is not null',
    )
    .all()
  assert.ok(reported.length > 300)
  for (const { email, course_key } of reported) assert.ok(has.has(`${email} ${course_key}`))
  running.child.kill('SIGTERM')
  assert.equal((await running.ended).code, 0)
  const again = await run({ args })
  assert.deepEqual([again.code, again.stdout], [2, ''])
  assert.match(again.stderr, /^--demo needs a folder without a database: .* has one already\.\n$/)
})
