import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { mock, test } from 'node:test'
import { SIGNATURE_FORMS, sign } from '../../src/shop/signature/signature.ts'
import { signStandard } from '../shop/signature/sign-standard.ts'
import { receive } from '../shop/webhook/receive.ts'

// Observed, not replaced: the real function still compares. The time is not measured, because on a shared machine it
// proves nothing.
const compared = mock.method(crypto, 'timingSafeEqual')
syncBuiltinESMExports()

const SECRETS = ['current-secret-of-the-shop', 'previous-secret-of-the-shop'] as const
/** A body whose five forms are five different texts. */
const BODY = '{"name": "Zoë",  "email":"a@b.example"}'

/** The comparisons for one webhook, each as the lengths of both sides. */
function comparisonsOf(signature: string, secrets: readonly string[] = SECRETS): (number | undefined)[][] {
  compared.mock.resetCalls()
  receive({
    headers: { 'content-type': 'application/json', 'x-lernito-signature': signature },
    body: Buffer.from(BODY),
    secrets,
    now: 0,
  })
  return compared.mock.calls.map(({ arguments: sides }) => sides.map(({ byteLength }) => byteLength))
}

const ALL = Array.from({ length: SIGNATURE_FORMS.length * SECRETS.length }, () => [32, 32])

test('a signature costs the same comparisons of 32 bytes, whatever its form and secret', () => {
  for (const secret of SECRETS) {
    for (const form of SIGNATURE_FORMS) assert.deepEqual(comparisonsOf(sign({ body: BODY, form, secret })), ALL)
  }
})

test('a wrong signature costs the same comparisons, wherever it differs from the right one', () => {
  const good = sign({ body: BODY, form: 'raw', secret: SECRETS[0] })
  for (const at of [0, 1, 31, 32, 62, 63]) {
    const wrong = good.slice(0, at) + (good[at] === '0' ? '1' : '0') + good.slice(at + 1)
    assert.deepEqual(comparisonsOf(wrong), ALL)
  }
  assert.deepEqual(comparisonsOf('0'.repeat(64)), ALL)
})

test('a value that can’t be a signature is refused by its form, without a comparison', () => {
  for (const text of ['', 'ab', 'A'.repeat(64), '0'.repeat(63), '0'.repeat(65)]) {
    assert.deepEqual(comparisonsOf(text), [])
  }
})

/** The comparisons for one webhook with these values of webhook-signature. */
function standardComparisons(...signatures: string[]): (number | undefined)[][] {
  compared.mock.resetCalls()
  const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': '0', 'webhook-signature': signatures.join(' ') }
  receive({
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(BODY),
    secrets: SECRETS,
    now: 0,
  })
  return compared.mock.calls.map(({ arguments: sides }) => sides.map(({ byteLength }) => byteLength))
}

test('a webhook-signature costs one comparison with each secret, whatever matches, and wherever it differs', () => {
  const right = SECRETS.map((secret) => signStandard({ id: 'msg_1', timestamp: 0, body: BODY, secret }))
  const [first = '', second = ''] = right
  const wrong = [3, 20, 45].map((at) => first.slice(0, at) + (first[at] === 'A' ? 'B' : 'A') + first.slice(at + 1))
  for (const one of [first, second, ...wrong]) {
    assert.deepEqual(standardComparisons(one), Array(2).fill([44, 44]))
    assert.deepEqual(standardComparisons(one, second), Array(4).fill([44, 44]))
  }
  assert.deepEqual(standardComparisons('v1,short'), [])
})
