import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountByIdCall, accountCall, namesakeCalls } from '../../src/lms/apis/accounts.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const alice = { status: 'active', username: 'alice', id: 6 }
const unknown = { status: 'unknown' }

/** Judged for the requested address, or for alice's if the request was by username. */
const judged = (exchange: Exchange) =>
  accountCall({ email: asked(exchange.request).query.email ?? 'alice@example.com' }).judge(answerOf(exchange))
const judgedFor = (email: string, status: number, body: unknown) =>
  verdict(accountCall({ email }).judge(answer(status, body)))

test('accounts.json: every recorded answer is judged', () => {
  const all = recorded('accounts').map((exchange) => [exchange.name, verdict(judged(exchange))])
  assert.deepEqual(Object.fromEntries(all), {
    'active person': alice,
    'registered, not activated': { status: 'inactive', username: 'bob_inactive', id: 7 },
    'asked in another letter case': alice,
    'stored in mixed case, asked in lower case': { status: 'active', username: 'dave', id: 8 },
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
  const newcomer = { status: 'inactive', username: 'newcomer', id: 17 }
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
    assert.deepEqual(asked(accountCall({ email })), asked(exchangeOf('accounts', name).request))
  }
  const odd = accountCall({ email: '"a&username=admin#\ud800"@x.com' })
  assert.deepEqual(asked(odd).query, { email: '"a&username=admin#\ufffd"@x.com' })
})

const KNOWN = { id: 6, username: 'alice' }

test('account-by-id.json: every quoted answer is judged, and the request is as quoted', () => {
  const byId = recorded('account-by-id')
  const judged = byId.map((exchange) => [exchange.name, verdict(accountByIdCall(KNOWN).judge(answerOf(exchange)))])
  const found = { status: 'registered', id: 6, username: 'alice', address: 'alice@example.com' }
  assert.deepEqual(Object.fromEntries(judged), {
    'by id': found,
    'no such id': { status: 'gone' },
    'not a number': 'misconfigured',
    'with an address: the address counts': found,
    'non-staff application': 'misconfigured',
  })
  assert.deepEqual(asked(accountByIdCall(KNOWN)), asked(exchangeOf('account-by-id', 'by id').request))
})

test('an account by id with another id is not understood: an LMS without the query answers with the service user', () => {
  const own = [{ username: 'lernito_service', email: 'lernito@lms.test', id: 2 }]
  assert.equal(verdict(accountByIdCall(KNOWN).judge(answer(200, own))), 'server_error')
  assert.equal(
    verdict(accountByIdCall(KNOWN).judge(answer(200, [{ username: 'a', email: 'a@x.com' }]))),
    'server_error',
  )
  assert.equal(verdict(accountByIdCall(KNOWN).judge(answer(404, '<html>Page not found</html>'))), 'misconfigured')
})

test('an account by id with another username is not the known one, because usernames don’t change', () => {
  const other = [{ username: 'somebody', email: 'somebody@example.com', id: 6 }]
  assert.deepEqual(verdict(accountByIdCall(KNOWN).judge(answer(200, other))), { status: 'gone' })
})

test('an account by id is retired if its address is that of a retired one', () => {
  for (const [email, status] of [
    ['retired__user_8f7b3c@retired.invalid', 'retired'],
    ['retired@example.com', 'registered'],
  ]) {
    const judged = verdict(accountByIdCall(KNOWN).judge(answer(200, [{ username: 'alice', email, id: 6 }])))
    assert.deepEqual(judged, { status, id: 6, username: 'alice', address: email })
  }
})

test('an answer of another shape never means that the person is unknown', () => {
  assert.equal(judgedFor('a@x.com', 200, []), 'server_error')
  assert.equal(judgedFor('a@x.com', 200, [{ username: 'a', id: 6, is_active: true }]), 'server_error')
  assert.equal(
    judgedFor('a@x.com', 200, [{ username: 'a', email: 'a@x.com', id: 6, is_active: 'yes' }]),
    'server_error',
  )
  assert.equal(judgedFor('a@x.com', 200, [{ username: 'a', email: 'a@x.com', is_active: true }]), 'server_error')
  const two = [1, 2].map((n) => ({ username: `twin${n}`, email: 'a@x.com', id: n, is_active: true }))
  assert.equal(judgedFor('a@x.com', 200, two), 'server_error')
  assert.equal(judgedFor('a@x.com', 404, '<html>Page not found</html>'), 'misconfigured')
  assert.equal(judgedFor('a@x.com', 404, { detail: 'Not found.' }), 'server_error')
})

test('an account with another address is another account, and its address is masked', () => {
  const other = (address: string) => ({ status: 'other_account', address })
  const account = (email: string) => [{ username: 'a', email, id: 6, is_active: true }]
  for (const email of ['alice@exämple.com', 'alice@ｅxample.com', 'alıce@example.com', 'älice@example.com']) {
    assert.deepEqual(judgedFor(email, 200, account('alice@example.com')), other('a***@example.com'), email)
  }
  assert.deepEqual(judgedFor('user@example.com', 200, account('user@exämple.com')), other('u***@exämple.com'))
  assert.deepEqual(judgedFor('kate@example.com', 200, account('\u212aate@example.com')), other('\u212a***@example.com'))
  assert.deepEqual(judgedFor('a@example.com', 200, account('\u202enot an address')), other('***'))
})

test('neither letter case nor Unicode normalization makes another account', () => {
  const same = { status: 'active', username: 'a', id: 6 }
  for (const [email, stored] of [
    ['alice@example.com', 'Alice@Example.COM'],
    ['alice@exÄmple.com', 'ALICE@exämple.com'],
    ['alice@exa\u0308mple.com', 'alice@exämple.com'],
  ] as const) {
    assert.deepEqual(judgedFor(email, 200, [{ username: 'a', email: stored, id: 6, is_active: true }]), same, email)
  }
})

const LISTS = '../lms-newer/people-lists'

test('people-lists.json: accounts by user name tells which names are others’', () => {
  for (const [name, emails, taken] of [
    [
      'accounts: three user names, one unknown: the unknown is left out',
      ['alice', 'nobody_here', 'erin'],
      ['alice', 'erin'],
    ],
    ['accounts: active and not activated', ['alice', 'bob_inactive'], ['alice', 'bob_inactive']],
    ['accounts: only unknown ones', ['nobody_here', 'nobody_there'], []],
  ] as const) {
    const exchange = exchangeOf(LISTS, name)
    const [call] = namesakeCalls({ emails })
    const judged = call?.judge(answerOf(exchange))
    assert.deepEqual(judged?.ok && [...judged.value], taken, name)
    assert.deepEqual(call && asked(call), asked(exchange.request))
  }
})

test('an account whose user name is its own address is nobody else’s, and one with a likely name is', () => {
  const rows = [
    { username: 'Own@example.com', email: 'own@example.com' },
    { username: 'víctim@example.com', email: 'stranger@example.com' },
  ]
  const [call] = namesakeCalls({ emails: ['own@example.com', 'victim@example.com', 'new@example.com'] })
  const judged = call?.judge(answer(200, rows))
  assert.deepEqual(judged?.ok && [...judged.value], ['victim@example.com'])
})

test('if it can’t be told whose address a user name is, it may be anyone’s', () => {
  const emails = ['new1@example.com', 'new2@example.com']
  const [call] = namesakeCalls({ emails })
  const judged = call?.judge(answer(200, [{ username: 'nеw1@example.com', email: 'x@example.com' }]))
  assert.deepEqual(judged?.ok && [...judged.value], emails)
})

test('a request for user names fits in the buffer of uWSGI, and leaves nobody out', () => {
  const emails = Array.from({ length: 50 }, (_, i) => `${'x'.repeat(180)}.${i}@example.com`)
  const calls = namesakeCalls({ emails })
  assert.ok(calls.length > 1)
  assert.ok(calls.every(({ path }) => path.length <= 2800))
  const names = calls.map((call) => asked(call).query.username)
  assert.equal(names.join(), emails.join())
})

test('an answer without addresses, or a page, tells nothing about user names', () => {
  const emails = ['new@example.com']
  for (const [status, body] of [
    [200, [{ username: 'new@example.com' }]],
    [404, { detail: 'x' }],
    [500, ''],
  ] as const) {
    const [call] = namesakeCalls({ emails })
    assert.equal(call?.judge(answer(status, body)).ok, false)
  }
})
