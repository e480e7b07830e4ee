import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountRequest, judgeAccount } from '../../src/openedx/accounts.ts'
import { answer, answerOf, asked, exchangeOf, recorded, verdict } from './recorded.ts'

const alice = { status: 'active', username: 'alice' }
const unknown = { status: 'unknown' }

test('accounts.json: every recorded answer is judged', () => {
  const judged = recorded('accounts').map((exchange) => [exchange.name, verdict(judgeAccount(answerOf(exchange)))])
  assert.deepEqual(Object.fromEntries(judged), {
    'active person': alice,
    'registered, not activated': { status: 'inactive', username: 'bob_inactive' },
    'asked in another letter case': alice,
    'stored in mixed case, asked in lower case': { status: 'active', username: 'dave' },
    unknown,
    'retired person': { status: 'retired' },
    'not an e-mail': unknown,
    'plus sign in the address, encoded': unknown,
    'two addresses by comma': unknown,
    'by username': alice,
    'non-staff application asks for another person': 'misconfigured',
    'no authorization': 'unauthorized',
  })
})

test('retired.json, registration.json, throttle.json: accounts are told apart there too', () => {
  const retired = exchangeOf('retired', 'retired person, by the address they had')
  assert.deepEqual(verdict(judgeAccount(answerOf(retired))), { status: 'retired' })
  const newcomer = { status: 'inactive', username: 'newcomer' }
  const registered = exchangeOf('registration', 'the account, before activation')
  assert.deepEqual(verdict(judgeAccount(answerOf(registered))), newcomer)
  assert.deepEqual(verdict(judgeAccount(answerOf(exchangeOf('throttle', 'accounts, while throttled')))), alice)
})

test('sequence.json: every recorded answer about an account is judged', () => {
  const calls = recorded('sequence').filter(({ request }) => request.path.startsWith('/api/user/v1/accounts'))
  const counts: Record<string, number> = {}
  for (const call of calls) {
    const judged = judgeAccount(answerOf(call))
    const word = judged.ok ? judged.value.status : judged.failure.kind
    counts[word] = (counts[word] ?? 0) + 1
  }
  assert.deepEqual(counts, { retired: 4, active: 8, inactive: 1, unknown: 12, unauthorized: 1 })
})

test('an account is asked for as recorded, a plus sign encoded', () => {
  for (const [name, email] of [
    ['active person', 'alice@example.com'],
    ['plus sign in the address, encoded', 'a+b@example.com'],
    ['two addresses by comma', 'alice@example.com,erin@example.com'],
  ] as const) {
    assert.deepEqual(asked(accountRequest({ email })), asked(exchangeOf('accounts', name).request))
  }
  const odd = accountRequest({ email: '"a&username=admin#\ud800"@x.com' })
  assert.deepEqual(asked(odd).query, { email: '"a&username=admin#\ufffd"@x.com' })
})

test('an account answer of another shape is never an unknown person', () => {
  assert.equal(verdict(judgeAccount(answer(200, []))), 'server_error')
  assert.equal(verdict(judgeAccount(answer(200, [{ username: 'a', is_active: 'yes' }]))), 'server_error')
  const two = [1, 2].map((n) => ({ username: `twin${n}`, is_active: true }))
  assert.equal(verdict(judgeAccount(answer(200, two))), 'server_error')
  assert.equal(verdict(judgeAccount(answer(404, '<html>Page not found</html>'))), 'misconfigured')
  assert.equal(verdict(judgeAccount(answer(404, { detail: 'Not found.' }))), 'server_error')
})
