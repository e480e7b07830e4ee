import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DIFFERENCES } from './intended-differences.ts'
import { receive } from './receive.ts'
import { type RecordedCase, recordedCases } from './recorded-cases.ts'

const SECRET = 'lernito-test-secret'

/** What can be said without an LMS; after `signed` the LMS decides. */
type Said = { readonly kind: 'signed' } | { readonly status: number; readonly body: unknown }

const SIGNED: Said = { kind: 'signed' }
/** Messages that only an LMS can give cause for. */
const OF_THE_LMS = /^(Course |Invalid course key format|This email address belongs)/

function say({ request }: RecordedCase): Said {
  const received = receive({ headers: request.headers, body: Buffer.from(request.body), secrets: [SECRET], now: 0 })
  if (received.kind === 'signed') return SIGNED
  if (received.kind === 'refused') return { status: received.status, body: received.body }
  return { status: 400, body: { success: false, message: received.errors } }
}

/** Errors that the original words in `detail` carry `success` and `message` here besides. */
function demanded({ status, body }: { status: number; body: unknown }): Said {
  if (status === 200) return SIGNED
  if (typeof body !== 'object' || body === null) return { status, body }
  if ('detail' in body) return { status, body: { success: false, message: body.detail, detail: body.detail } }
  const fromLms = 'message' in body && typeof body.message === 'string' && OF_THE_LMS.test(body.message)
  return fromLms ? SIGNED : { status, body }
}

function check(recorded: RecordedCase): void {
  const id = `${recorded.group}: ${recorded.name}`
  const difference = DIFFERENCES[id]
  if (difference === undefined) {
    // As text, so that the order of the fields counts.
    assert.equal(JSON.stringify(say(recorded)), JSON.stringify(demanded(recorded.response)), id)
  } else {
    assert.partialDeepStrictEqual(say(recorded), demanded(difference), `${id}: ${difference.reason}`)
  }
}

for (const group of ['fields', 'email', 'body', 'signature', 'courses', 'enrolment']) {
  test(`the recorded cases of group "${group}" are answered as by the original`, () => {
    const cases = recordedCases('lernito-webhook.json').filter((recorded) => recorded.group === group)
    assert.ok(cases.length > 20)
    for (const recorded of cases) check(recorded)
  })
}

test('the recorded posts of group "http" are answered as by the original', () => {
  const posts = recordedCases('lernito-webhook.json').filter(
    ({ group, request }) => group === 'http' && request.method === 'POST',
  )
  assert.equal(posts.length, 12)
  for (const recorded of posts) check(recorded)
})

test('the 800 random recorded cases are answered as by the original, in every form of the signature', () => {
  const cases = recordedCases('lernito-webhook-random.json')
  assert.equal(cases.length, 800)
  for (const recorded of cases) check(recorded)
})
