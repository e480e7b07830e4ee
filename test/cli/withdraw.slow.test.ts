import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { ended, startWithOperations } from '../enroll/withdraw/withdrawing.ts'
import { DEMO } from '../harness.ts'
import { serveEnv } from '../service/serving.ts'
import { runShared } from './commands.ts'

const HONOR = 'course-v1:Lernito+Honor+2026'
const product = await startWithOperations()
after(() => product.stopAll())
beforeEach(() => product.lms.reset())
const { lms, sold, stateOf } = product
const env = serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl })
const command = (...args: string[]) => runShared({ args: ['deliveries', ...args], env })

describe('withdraw', () => {
  test('shows what the LMS has, and stores the order', async () => {
    const id = await sold('alice@example.com')
    const dry = await command('withdraw', id, '--dry-run')
    assert.match(
      dry.stdout,
      new RegExp(`^${DEMO.replaceAll('+', '\\+')}  enrolled  mode audit  first enrolled 20.*\n$`),
    )
    assert.equal(await stateOf(id), 'enrolled')
    const { code, stdout } = await command('withdraw', id)
    assert.equal(code, 0)
    assert.ok(stdout.endsWith(` See: lernito-openedx deliveries show ${id}\n`), stdout)
    await ended(product, id)
    assert.equal(await stateOf(id), 'withdrawn')
    assert.match(
      (await command('show', id)).stdout,
      /withdrawal +requested by .* \(command line\), ended .*unenrolled from/,
    )
  })

  test('names the other sales that it takes along', async () => {
    const id = await sold('carol@example.com')
    const other = await sold('carol@example.com', [DEMO, HONOR])
    const dry = await command('withdraw', id, '--dry-run')
    assert.match(dry.stdout, new RegExp(`^A withdrawal takes these other sales along: ${other}$`, 'm'))
    const { stdout } = await command('withdraw', id, '--dry-run', '--json')
    assert.deepEqual(JSON.parse(stdout).others, [other])
  })

  test('says that a buyer has not registered yet, who may have an allowance', async () => {
    const id = await sold('new@example.com')
    const { stdout } = await command('withdraw', id, '--dry-run')
    assert.equal(stdout, `${DEMO}  not registered yet\n`)
  })

  test('takes a paid course mode away only with --paid', async () => {
    const id = await sold('erin@example.com', [HONOR])
    await lms.seed({ enrollments: [{ email: 'erin@example.com', course: HONOR, mode: 'verified', active: true }] })
    const refused = await command('withdraw', id)
    assert.deepEqual(
      [refused.code, refused.stderr],
      [1, `Nothing changed. Paid course mode: ${HONOR} (verified). Add --paid to take it away\n`],
    )
    const json = await command('withdraw', id, '--json')
    const { kind, why, stands } = JSON.parse(json.stdout)
    assert.deepEqual([json.code, kind, why, stands[0].mode], [1, 'refused', 'paid', 'verified'])
    assert.equal((await command('withdraw', id, '--paid')).code, 0)
    await ended(product, id)
    assert.equal(await stateOf(id), 'withdrawn')
  })

  test('takes what the buyer had before the sale away only with --had-before', async () => {
    await lms.people({ email: 'judy@example.com', username: 'judy', active: true })
    await lms.seed({ enrollments: [{ email: 'judy@example.com', course: DEMO, mode: 'audit', active: true }] })
    const id = await sold('judy@example.com')
    const activeOf = async () =>
      (await lms.state()).enrollments.filter((row) => row.email === 'judy@example.com' && row.active)
    const { stdout } = await command('withdraw', id)
    assert.match(stdout, /^The buyer had this before the sale, and keeps it unless .*Demo_Course\. Add --had-before/m)
    await ended(product, id)
    assert.deepEqual([await stateOf(id), (await activeOf()).length], ['withdrawn', 1])
    assert.equal((await command('withdraw', id, '--had-before')).code, 0)
    await ended(product, id)
    assert.deepEqual(await activeOf(), [])
  })

  for (const email of ['frank@example.com', 'rejected at example.com']) {
    test(`says once that there is nothing to withdraw from a sale to ${email}`, async () => {
      const { headers } = await product.sell({ email, courseIds: ['course-v1:No+Such+Course'] })
      const id = String(headers['x-lernito-delivery'])
      const nothing = /^There is nothing to withdraw: .*\n$/
      assert.match((await command('withdraw', id, '--dry-run')).stdout, nothing)
      const { code, stdout, stderr } = await command('withdraw', id)
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr.replace('Nothing changed. ', ''), nothing)
    })
  }

  test('refuses a course that the delivery never reported', async () => {
    const id = await sold('grace@example.com')
    const { code, stderr } = await command('withdraw', id, '--course', HONOR)
    const why = `The delivery did not report ${HONOR}, or the buyer was taken out of it.\n`
    assert.deepEqual([code, stderr], [1, `Nothing changed. ${why}`])
    const dry = await command('withdraw', id, '--course', HONOR, '--dry-run')
    assert.deepEqual([dry.code, dry.stdout, dry.stderr], [1, '', why])
  })

  test('--dry-run has exit code 1 and the failure if the LMS can’t be read', async () => {
    const id = await sold('heidi@example.com')
    await lms.faults([{ status: 503 }])
    const { code, stdout, stderr } = await command('withdraw', id, '--dry-run', '--json')
    const ordered = JSON.parse((await command('withdraw', id, '--json')).stdout)
    await lms.noFaults()
    assert.deepEqual([ordered.kind, ordered.failure], ['ordered', JSON.parse(stdout).failure])
    const { stands, failure } = JSON.parse(stdout)
    assert.deepEqual([code, stands, stderr], [1, [], `The LMS can't be read now: ${failure}\n`])
  })
})
