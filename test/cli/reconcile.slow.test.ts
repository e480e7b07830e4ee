import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { progressText } from '../../src/cli/reconcile.ts'
import { openDatabase } from '../../src/database/database.ts'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { run, start, until } from '../service/process.ts'
import { serveEnv } from '../service/serving.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const [ALICE, ERIN, NOBODY, SECOND] = ['alice@example.com', 'erin@example.com', 'nobody@example.com', 'two@example.com']
const report = z.object({
  deliveries: z.number(),
  counts: z.record(z.string(), z.number()),
  repairing: z.number(),
  findings: z.array(z.looseObject({ email: z.string(), course: z.string(), standing: z.string() })),
})

test('the progress of reconcile says how many, how long, and about how long it still takes', () => {
  assert.equal(
    progressText({ checked: 0, total: 412, calls: 2, ms: 3000 }),
    'deliveries done: 0 of 412, with 2 calls in 3 s\n',
  )
  assert.equal(
    progressText({ checked: 200, total: 1400, calls: 9, ms: 60_000 }),
    'deliveries done: 200 of 1400, with 9 calls in 60 s, about 6 min left\n',
  )
  assert.match(
    progressText({ checked: 3, total: 2, calls: 1, ms: 1000 }),
    /^deliveries done: 3 of 3, .* about 0 s left/,
  )
})

describe('reconcile', () => {
  let product: Product
  const reconcile = (args: readonly string[] = [], callsPerMinute = '0') =>
    command(['reconcile', ...args], callsPerMinute)
  const command = (args: string[], callsPerMinute = '0') => run({ args, env: envWith(callsPerMinute) })
  const envWith = (callsPerMinute: string) => ({
    ...serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl }),
    LERNITO_LMS_CALLS_PER_MINUTE: callsPerMinute,
  })

  before(async () => {
    product = await startProduct()
    for (const buyer of [
      { email: ALICE, courseIds: [DEMO, PYTHON] },
      { email: ERIN },
      { email: NOBODY },
      { email: SECOND },
    ]) {
      assert.equal((await product.sell(buyer)).status, 200)
    }
  })
  after(() => product.stop())

  test('counts what stands, with exit code 0', async () => {
    const { code, stdout, stderr } = await reconcile()
    assert.deepEqual(
      { code, stdout, stderr },
      { code: 0, stdout: 'deliveries checked: 4; courses: enrolled 3, no_account 2\n', stderr: '' },
    )
  })

  test('stores what it finds, which `deliveries show` has with the time', async () => {
    const [, id = ''] = /^([0-9A-Z]{26}) /m.exec((await command(['deliveries', 'list', ERIN])).stdout) ?? []
    const { stdout } = await command(['deliveries', 'show', id])
    assert.match(stdout, /^in the LMS +course-v1:edX\+DemoX\+Demo_Course: enrolled \(audit\)\nchecked +20/m)
  })

  test('reports what the LMS lost, and changes nothing without --fix', async () => {
    await product.lms.reset()
    await product.lms.seed({ enrollments: [{ email: ERIN, course: DEMO, mode: 'audit', active: false }] })
    const before = await product.lms.state()
    const { code, stdout } = await reconcile(['--json', '--since', '1d'])
    assert.equal(code, 1)
    const { findings, counts } = report.parse(JSON.parse(stdout))
    assert.deepEqual(findings.map(({ email, course, standing }) => [email, course, standing]).sort(), [
      [ALICE, PYTHON, 'missing'],
      [ALICE, DEMO, 'missing'],
      [ERIN, DEMO, 'unenrolled'],
      [NOBODY, DEMO, 'missing'],
      [SECOND, DEMO, 'missing'],
    ])
    assert.equal(counts.missing, 4)
    assert.deepEqual(await product.lms.state(), before)
  })

  test('--fix starts the repair of who has an account and no row, which the service carries out; it changes nobody else', async () => {
    const { code, stdout } = await reconcile(['--fix'])
    assert.match(stdout, /missing +alice@example\.com +\S+ +repair started\n/)
    assert.match(stdout, /\ndeliveries checked: 4; courses: unenrolled 1, missing 4; repairs started: 2\n$/)
    assert.equal(code, 1, 'two allowances are still missing')
    const rowsOf = async () =>
      (await product.lms.state()).enrollments
        .filter(({ email }) => [ALICE, ERIN, NOBODY, SECOND].includes(email))
        .map(({ email, course, active }) => [email, course, active])
    await until('the repairs', async () => ((await rowsOf()).length === 3 ? true : undefined))
    assert.deepEqual(await rowsOf(), [
      [ALICE, DEMO, true],
      [ALICE, PYTHON, true],
      [ERIN, DEMO, false],
    ])
    assert.deepEqual((await product.lms.state()).allowances, [])
  })

  test('a repair is in the delivery’s timeline and in the audit, with its actor', async () => {
    const { db, close } = openDatabase({ url: `sqlite:${join(product.folder, 'lernito.db')}`, serve: false })
    const events = await db
      .selectFrom('events')
      .select(['actor', 'detail', 'audited'])
      .where('kind', '=', 'repair_started')
      .execute()
    await close()
    assert.deepEqual(
      events.map(({ detail, audited }) => [detail, audited]),
      [[`${DEMO}, ${PYTHON}`, 1]],
    )
    assert.ok(events.every(({ actor }) => actor?.endsWith('(command line)')))
  })

  test('a failing LMS ends the command with the reason and exit code 1', async () => {
    await product.lms.faults([{ path: '/api/enrollment/v1/enrollments', status: 503 }])
    const { code, stdout, stderr } = await reconcile()
    await product.lms.noFaults()
    assert.deepEqual([code, stdout], [1, ''], 'nothing was checked')
    assert.match(stderr, /^The rest could not be checked in the LMS: .*503/)
  })

  test('waits as long as a throttling LMS asks', async () => {
    await product.lms.faults([{ path: '/api/enrollment/v1/enrollments', status: 429, retryAfter: 1, times: 2 }])
    const { stdout } = await reconcile()
    assert.match(stdout, /^deliveries checked: 4/m)
  })

  test('with its share of the call budget used up, it waits, and then checks all deliveries', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await product.sell({ email: `${name}@example.com` })
    const { code, stdout } = await reconcile([], '440') // a call every 0.4 s beside the service
    assert.match(stdout, /^deliveries checked: 8/m)
    assert.equal(code, 1, 'one allowance is still missing')
  })

  test('SIGTERM ends it as Ctrl-C does: it says how far it came, and gives its share of the call budget back', async (t) => {
    const running = start({ t, args: ['reconcile'], env: envWith('110') })
    running.child.stderr?.once('data', () => running.child.kill('SIGTERM'))
    const { code, stdout } = await running.ended
    assert.equal(code, 1)
    assert.match(stdout, /^deliveries checked: \d+; /m)
    const { db, close } = openDatabase({ url: `sqlite:${join(product.folder, 'lernito.db')}`, serve: false })
    const guests = await db.selectFrom('replicas').select('id').where('id', 'like', 'reconcile-%').execute()
    await close()
    assert.deepEqual(guests, [])
  })

  test('its progress counts what its result counts, also deliveries whose enrollment is missing', async () => {
    await product.sell({ email: 'late@example.com' })
    await product.lms.reset()
    await product.lms.people({ email: 'late@example.com', username: 'late', active: false })
    await product.lms.activate('late@example.com')
    const first = await reconcile()
    assert.match(first.stdout, /^deliveries checked: 9/m)
    const { db, close } = openDatabase({ url: `sqlite:${join(product.folder, 'lernito.db')}`, serve: false })
    const states = await db.selectFrom('deliveries').select('state').where('state', '=', 'needs_attention').execute()
    await close()
    assert.equal(states.length, 1)
    await product.lms.faults([{ path: '/api/user/v1/accounts/search_emails', delayMs: 4000, times: 1 }])
    const { stdout, stderr } = await reconcile()
    assert.match(stdout, /^deliveries checked: 9/m)
    assert.match(stderr, /^deliveries done: \d of 9/m)
  })

  test('counts apart a delivery that reported nothing, because there is nothing to check', async () => {
    await product.sell({ email: ALICE, courseIds: ['course-v1:Not+There+2026'] })
    await product.lms.faults([{ path: '/api/user/v1/accounts/search_emails', delayMs: 4000, times: 1 }])
    const { stdout, stderr } = await reconcile()
    assert.match(stdout, /^deliveries checked: 9, with nothing to check: 1; courses: /m)
    assert.match(stderr, /^deliveries done: \d+ of 10, /m)
  })
})
