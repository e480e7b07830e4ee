import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SEARCH_ADDRESSES, searchEmailsCall } from '../../src/lms/apis/accounts.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const LISTS = '../lms-newer/people-lists'
const PATH = '/api/user/v1/accounts/search_emails'

function judged(exchange: Exchange) {
  const emails = [exchange.request.json?.emails ?? []].flat().map(String)
  const found = searchEmailsCall({ emails }).judge(answerOf(exchange))
  if (!found.ok) return found.failure.kind
  const { accounts, others } = found.value
  const named = [...accounts].map(([email, { username, id }]) => `${email}=${username}#${id}`)
  return [...named, ...[...others].map(([email, who]) => `${email}=${who}`)].join(' ')
}

test('people-lists.json: every recorded answer to a search of addresses is judged', () => {
  const calls = recorded(LISTS).filter(({ request }) => request.path === PATH && request.method === 'POST')
  assert.deepEqual(Object.fromEntries(calls.map((one) => [one.name.replace('search_emails: ', ''), judged(one)])), {
    'two that exist, not in alphabetic order': 'erin@example.com=erin#546 alice@example.com=alice#543',
    'active, not activated, unknown, retired, other letter case, no e-mail':
      'alice@example.com=alice#543 bob@example.com=bob_inactive#544 DAVE@EXAMPLE.COM=dave#545',
    'none exists: 200 and an empty list': '',
    'duplicates and two letter cases of one: once': 'alice@example.com=alice#543 ALICE@example.com=alice#543',
    'SURPRISE an unknown address that the database takes for another (a = ä)': 'user@example.com=u***@exämple.com',
    'white space is not cut off, except what the collation ignores (at the end)': 'erin@example.com =e***@example.com',
    'empty list': '',
    'no emails': 'server_error',
    // This client makes none of these calls.
    'a text instead of a list: each character is looked for': '',
    null: 'server_error',
    'a number and null among them': 'alice@example.com=alice#543',
    'form encoded': 'server_error',
    'non-staff application': 'misconfigured',
    'Bearer token': 'alice@example.com=alice#543',
    'no authorization': 'unauthorized',
  })
  assert.equal(judged(exchangeOf(LISTS, 'search_emails with a trailing slash')), 'misconfigured')
})

test('a request to search addresses is as recorded', () => {
  const emails = ['erin@example.com', 'alice@example.com']
  const like = exchangeOf(LISTS, 'search_emails: two that exist, not in alphabetic order').request
  assert.deepEqual(asked(searchEmailsCall({ emails })), asked(like))
  const full = Array.from({ length: SEARCH_ADDRESSES }, (_, n) => `firstname.lastname${n}@example.com`)
  assert.ok((searchEmailsCall({ emails: full }).body?.text.length ?? 9000) < 8192, 'a firewall may refuse more')
  assert.throws(() => searchEmailsCall({ emails: Array.from({ length: SEARCH_ADDRESSES + 1 }, () => 'a@x.com') }))
})

test('if it can’t be told for whom the LMS takes a stranger, it may be anyone without an account', () => {
  const emails = ['alice@example.com', 'new1@example.com', 'new2@example.com']
  const rows = [
    { email: 'alice@example.com', username: 'alice', id: 6 },
    { email: 'nеw1@example.com', username: 'cyrillic', id: 7 },
  ]
  const found = searchEmailsCall({ emails }).judge(answer(200, rows))
  assert.ok(found.ok)
  assert.deepEqual([...found.value.accounts], [['alice@example.com', { username: 'alice', id: 6 }]])
  assert.deepEqual(
    [...found.value.others],
    [
      ['new1@example.com', 'n***@example.com'],
      ['new2@example.com', 'n***@example.com'],
    ],
  )
})

test('a user name that could lead out of its segment of a path is not understood', () => {
  const rows = [{ email: 'alice@example.com', username: '../../evil', id: 6 }]
  assert.equal(verdict(searchEmailsCall({ emails: ['alice@example.com'] }).judge(answer(200, rows))), 'server_error')
})
