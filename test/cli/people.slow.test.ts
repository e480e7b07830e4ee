import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { accepted, arrival, needsAttention, settled, succeeded } from '../inbox/harness.ts'
import { startLms } from '../service/serving.ts'
import { inboxOf } from './inboxes.ts'

const EMAIL = 'alice@example.com'

describe('people show', { concurrency: 2 }, () => {
  test('shows the account that the LMS has now, all sales newest first, and one timeline that names each', async (t) => {
    const lms = await startLms(t)
    const { store, command } = await inboxOf(t, { lmsUrl: lms.url })
    const orders = [1, 2].map((order) => accepted(arrival({ email: EMAIL, order, courseIds: [DEMO] })))
    const [one = '', two = ''] = await store(orders)
    await store([settled(succeeded(one)), settled(needsAttention(two))])
    const { code, stdout, stderr } = await command('people', 'show', ' ALICE@example.com')
    assert.deepEqual([code, stderr], [0, ''])
    const [facts = '', second = '', first = '', events = ''] = stdout.split('\n\n')
    assert.match(facts, /^e-mail +alice@example\.com\naccount +active, username alice\nsales +2$/)
    assert.match(
      second,
      new RegExp(
        `^delivery +${two}\nstate +needs_attention\n.*\ncourses +${DEMO.replaceAll('+', '\\+')}\noutcome +the LMS has no`,
      ),
    )
    assert.match(first, new RegExp(`^delivery +${one}\nstate +enrolled\n`))
    assert.match(
      events,
      new RegExp(`^.*${one}  received .*\n.*${two}  received .*\n.*${one}  enrolled .*\n.*${two}  needs_attention`),
    )
    const json = JSON.parse((await command('people', 'show', EMAIL, '--json')).stdout)
    assert.deepEqual([json.email, json.account, json.failure], [EMAIL, { status: 'active', username: 'alice' }, null])
    assert.deepEqual(
      json.sales.map(({ id }: { id: string }) => id),
      [two, one],
    )
  })

  const accounts: [email: string, words: RegExp][] = [
    ['nobody@example.com', /account +none\nsales +0\n$/],
    ['bob@example.com', /account +not activated, username bob_inactive\n/],
    ['retired@example.com', /account +retired\n/],
    ['josé@example.com', /account +other address: j\*\*\*@example\.com\n/],
  ]
  test('tells every kind of account apart, also for an address without a sale', async (t) => {
    const lms = await startLms(t)
    const { command } = await inboxOf(t, { lmsUrl: lms.url })
    for (const [email, words] of accounts) {
      const { code, stdout } = await command('people', 'show', email)
      assert.equal(code, 0)
      assert.match(stdout, words)
    }
  })

  test('while the LMS can’t be asked, it shows the sales, says so, and the exit code is 1', async (t) => {
    const { store, command } = await inboxOf(t)
    const [id = ''] = await store([accepted(arrival({ email: EMAIL }))])
    const { code, stdout, stderr } = await command('people', 'show', EMAIL)
    assert.equal(code, 1)
    assert.match(stdout, new RegExp(`account +not known now\nsales +1\n\ndelivery +${id}`))
    assert.match(stderr, /^The account could not be looked up in the LMS: .+\n$/)
    const json = JSON.parse((await command('people', 'show', EMAIL, '--json')).stdout)
    assert.deepEqual([json.account, json.sales.length], [null, 1])
    assert.match(json.failure, /./)
  })

  test('wrong usage gets a message that names it and exit code 2', async (t) => {
    const { command } = await inboxOf(t)
    for (const args of [[], ['show'], ['show', 'ada'], ['show', 'a@b', 'c@d'], ['list', 'a@b'], ['show', 'a b@c']]) {
      const { code, stdout, stderr } = await command('people', ...args)
      assert.deepEqual([code, stdout], [2, ''], args.join(' '))
      assert.match(stderr, /one e-mail address/)
    }
  })
})
