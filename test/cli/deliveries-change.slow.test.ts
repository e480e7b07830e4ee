import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { run, until } from '../service/process.ts'
import { serveEnv } from '../service/serving.ts'
import { ended, startWithOperations } from '../withdrawal/withdrawing.ts'

const HONOR = 'course-v1:Lernito+Honor+2026'
const product = await startWithOperations()
after(() => product.stopAll())
beforeEach(() => product.lms.reset())
const { lms, sold, stateOf, show } = product
const env = serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl })
const command = (...args: string[]) => run({ args: ['deliveries', ...args], env })

test('handle records a note in any state, and says when it changed nothing', async () => {
  const id = await sold('new@example.com')
  const { code, stdout } = await command('handle', id.toLowerCase(), '--note', 'refunded')
  assert.deepEqual([code, stdout, await stateOf(id)], [0, 'marked as handled\n', 'handled'])
  const again = await command('handle', id, '--note', 'again', '--json')
  assert.deepEqual(JSON.parse(again.stdout), { id, result: 'already' })
  assert.equal((await command('handle', 'NONE', '--note', 'x')).code, 1)
  assert.equal((await command('handle', id)).code, 2)
})

describe('correct', () => {
  test('replaces a delivery, and withdraws the old one if asked', async () => {
    const id = await sold('mistyped@example.com')
    const dry = await command('correct', id, '--email', 'alice@example.com', '--withdraw', '--dry-run')
    assert.match(
      dry.stdout,
      /a new delivery for alice@example.com in .*\n.* becomes handled\nthe buyer is taken out of/,
    )
    assert.equal(await stateOf(id), 'pre_enrolled')
    const { code, stdout } = await command('correct', id, '--email', 'alice@example.com', '--withdraw', '--json')
    assert.equal(code, 0)
    const made: { id: string } = JSON.parse(stdout)
    await ended(product, id)
    assert.deepEqual([await stateOf(id), (await show(made.id)).replaces], ['withdrawn', id])
    const twice = await command('correct', id, '--email', 'bob@example.com')
    assert.deepEqual(
      [twice.code, twice.stderr],
      [1, `Nothing changed: it was corrected before. Correct the delivery that replaces it: ${made.id}\n`],
    )
  })

  test('names the closest course for a key that the LMS does not have', async () => {
    const id = await sold('typo@example.com', ['course-v1:edX+DemoX+Demo_Curse'])
    const { stderr } = await command('correct', id, '--course', 'course-v1:edX+DemoX+Demo_Cours', '--dry-run')
    assert.equal(stderr, `The LMS has no course course-v1:edX+DemoX+Demo_Cours. The closest course is ${DEMO}\n`)
  })

  test('refuses what the webhook refuses, in its words', async () => {
    const id = await sold('words@example.com')
    const { code, stderr } = await command('correct', id, '--email', 'no address')
    assert.equal(code, 1)
    assert.match(stderr, /\{"email":\["Enter a valid email address."\]\}/)
  })
})

describe('withdraw', () => {
  test('shows what the LMS has, and stores the order', async () => {
    const id = await sold('alice@example.com')
    const dry = await command('withdraw', id, '--dry-run')
    assert.match(
      dry.stdout,
      new RegExp(`^${DEMO.replaceAll('+', '\\+')}  enrolled  mode audit  first enrolled 20.*\n$`),
    )
    assert.equal(await stateOf(id), 'enrolled')
    assert.equal((await command('withdraw', id)).code, 0)
    await ended(product, id)
    assert.equal(await stateOf(id), 'withdrawn')
    assert.match(
      (await command('show', id)).stdout,
      /withdrawal +requested by .* \(command line\), ended .*unenrolled from/,
    )
  })

  test('takes a paid course mode away only with --paid', async () => {
    const id = await sold('erin@example.com', [HONOR])
    await lms.seed({ enrollments: [{ email: 'erin@example.com', course: HONOR, mode: 'verified', active: true }] })
    const refused = await command('withdraw', id)
    assert.deepEqual(
      [refused.code, refused.stderr],
      [1, `Nothing changed. Paid course mode: ${HONOR} (verified). Add --paid to take it away\n`],
    )
    assert.equal((await command('withdraw', id, '--paid')).code, 0)
    await ended(product, id)
    assert.equal(await stateOf(id), 'withdrawn')
  })

  test('refuses a course that the delivery never reported', async () => {
    const id = await sold('grace@example.com')
    const { code, stderr } = await command('withdraw', id, '--course', HONOR)
    assert.deepEqual([code, stderr], [1, `Nothing changed. The delivery did not report ${HONOR}.\n`])
  })
})

test('test-sale takes the way of a webhook, and is marked as a test everywhere', async () => {
  const { code, stdout } = await command('test-sale', 'frank@example.com', '--course', DEMO, '--json')
  assert.equal(code, 0)
  const { id }: { id: string } = JSON.parse(stdout)
  await until('the enrollment', async () => ((await stateOf(id)) === 'enrolled' ? true : undefined))
  assert.match((await command('list', id)).stdout, /enrolled \(test\)/)
  assert.match((await command('show', id)).stdout, /source +test/)
  assert.ok(
    product.log.some(({ delivery, event, test: marked }) => delivery === id && event === 'enrolled' && marked === true),
  )
  const refused = await command('test-sale', 'nobody', '--course', DEMO)
  assert.match(refused.stderr, /Enter a valid email address/)
})
