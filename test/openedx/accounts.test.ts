import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountRequest, judgeAccount } from '../../src/openedx/accounts.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const alice = { status: 'active', username: 'alice' }
const unknown = { status: 'unknown' }

/** Judged for the requested address, or for alice's if the request was by username. */
const judged = (exchange: Exchange) =>
  judgeAccount(answerOf(exchange), { email: asked(exchange.request).query.email ?? 'alice@example.com' })
const judgedFor = (email: string, status: number, body: unknown) =>
  verdict(judgeAccount(answer(status, body), { email }))

test('accounts.json: every recorded answer is judged', () => {
  const all = recorded('accounts').map((exchange) => [exchange.name, verdict(judged(exchange))])
  assert.deepEqual(Object.fromEntries(all), {
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

test('retired.json, registration.json, throttle.json: every recorded answer about an account is judged', () => {
  const retired = exchangeOf('retired', 'retired person, by the address they had')
  assert.deepEqual(verdict(judged(retired)), { status: 'retired' })
  const newcomer = { status: 'inactive', username: 'newcomer' }
  const registered = exchangeOf('registration', 'the account, before activation')
  assert.deepEqual(verdict(judged(registered)), newcomer)
  assert.deepEqual(verdict(judged(exchangeOf('throttle', 'accounts, while throttled'))), alice)
})

test('sequence.json: every recorded answer about an account is judged', () => {
  const calls = recorded('sequence').filter(({ request }) => request.path.startsWith('/api/user/v1/accounts'))
  const counts: Record<string, number> = {}
  for (const call of calls) {
    const account = judged(call)
    const word = account.ok ? account.value.status : account.failure.kind
    counts[word] = (counts[word] ?? 0) + 1
  }
  assert.deepEqual(counts, { retired: 4, active: 8, inactive: 1, unknown: 12, unauthorized: 1 })
})

test('an account request is as recorded, with an encoded plus sign', () => {
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

test('an answer of another shape never means that the person is unknown', () => {
  assert.equal(judgedFor('a@x.com', 200, []), 'server_error')
  assert.equal(judgedFor('a@x.com', 200, [{ username: 'a', is_active: true }]), 'server_error')
  assert.equal(judgedFor('a@x.com', 200, [{ username: 'a', email: 'a@x.com', is_active: 'yes' }]), 'server_error')
  const two = [1, 2].map((n) => ({ username: `twin${n}`, email: 'a@x.com', is_active: true }))
  assert.equal(judgedFor('a@x.com', 200, two), 'server_error')
  assert.equal(judgedFor('a@x.com', 404, '<html>Page not found</html>'), 'misconfigured')
  assert.equal(judgedFor('a@x.com', 404, { detail: 'Not found.' }), 'server_error')
})

test('an account with another address is another account, and its address is masked', () => {
  const other = (address: string) => ({ status: 'other_account', address })
  const account = (email: string) => [{ username: 'a', email, is_active: true }]
  for (const email of ['alice@exämple.com', 'alice@ｅxample.com', 'alıce@example.com', 'älice@example.com']) {
    assert.deepEqual(judgedFor(email, 200, account('alice@example.com')), other('a***@example.com'), email)
  }
  assert.deepEqual(judgedFor('user@example.com', 200, account('user@exämple.com')), other('u***@exämple.com'))
  assert.deepEqual(judgedFor('kate@example.com', 200, account('\u212aate@example.com')), other('\u212a***@example.com'))
  assert.deepEqual(judgedFor('a@example.com', 200, account('\u202enot an address')), other('***'))
})

test('neither letter case nor Unicode normalization makes another account', () => {
  const same = { status: 'active', username: 'a' }
  for (const [email, stored] of [
    ['alice@example.com', 'Alice@Example.COM'],
    ['alice@exÄmple.com', 'ALICE@exämple.com'],
    ['alice@exa\u0308mple.com', 'alice@exämple.com'],
  ] as const) {
    assert.deepEqual(judgedFor(email, 200, [{ username: 'a', email: stored, is_active: true }]), same, email)
  }
})
