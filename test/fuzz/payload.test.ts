import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { EnrollmentRequest } from '../../src/sale/types.ts'
import { SIGNATURE_FORMS, type SignatureForm, sign } from '../../src/shop/signature/signature.ts'
import { type Received, receive } from '../shop/webhook/receive.ts'
import { startFuzzing } from './fuzzing.ts'
import { mutated, mutationsOf } from './mutations.ts'

const SECRET = 'a-secret-for-fuzzing'
const PREVIOUS = 'the-secret-before-it'
const PROTOTYPE = Reflect.ownKeys(Object.prototype)

const GOOD: EnrollmentRequest = {
  email: 'zoe@example.com',
  name: 'Zoë',
  family: 'Ng',
  username: 'zoe',
  courseIds: ['course-v1:edX+DemoX+Demo_Course'],
}
const FIELDS = ['email', 'name', 'family', 'username', 'courseIds'] as const
const OTHER_KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'Email', 'email ', '', '\0', '😀']
const NASTY = [
  ' zoe@example.com\n',
  'zoe@example.com\r\nBcc: x@example.com',
  'a,b@example.com',
  '"a\\"b"@example.com',
  'zoe@bücher.example',
  'zoe@[127.0.0.1]',
  `${'x'.repeat(250)}@example.com`,
  '\u202eevil',
  '\u001b[31m',
  '\u2028',
  '\0',
  '\ud800',
  '<script>alert(1)</script>',
  'x'.repeat(256),
  '😀'.repeat(255),
  'course-v1:a+b+c/../..?x#y',
  'course-v1:%2e%2e+b+c',
]

/** A member as it is written, and what its value is. A number is `undefined`: Python has its own way to write it. */
interface Member {
  readonly key: string
  readonly text: string
  readonly value: unknown
}

const text = fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'binary' }), fc.emailAddress())
const quoted = text.map((value) => ({ text: JSON.stringify(value), value }))
const number = fc
  .constantFrom('0', '-0', '1.50', '1e400', '1e16', '12345678901234567890')
  .map((digits) => ({ text: digits, value: undefined }))
const wrong = fc.json({ maxDepth: 2 }).map((json) => ({ text: json, value: undefined }))
const list = fc
  .array(quoted, { maxLength: 4 })
  .map((items) => ({ text: `[${items.map((item) => item.text).join()}]`, value: items.map((item) => item.value) }))
const good = fc.constantFrom(...FIELDS).map((key) => ({ key, text: JSON.stringify(GOOD[key]), value: GOOD[key] }))
const odd = fc
  .tuple(fc.constantFrom(...FIELDS, ...OTHER_KEYS), fc.oneof(quoted, number, wrong, list))
  .map(([key, value]): Member => ({ key, ...value }))

/** The good payload with members put before or behind its own, or in the middle: the last of two equal keys counts. */
const members = fc
  .tuple(fc.array(fc.oneof(good, odd), { maxLength: 4 }), fc.array(odd, { maxLength: 1 }), fc.boolean())
  .map(([before, after, complete]): Member[] => {
    const own = FIELDS.map((key) => ({ key, text: JSON.stringify(GOOD[key]), value: GOOD[key] }))
    return [...before, ...(complete ? own : []), ...after]
  })

/** Keys are sometimes written with escapes, so that one key looks like two. */
function written(all: readonly Member[], escaped: boolean): Buffer {
  const keyText = (key: string): string =>
    escaped && /^\w/.test(key) ? `"\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}"` : JSON.stringify(key)
  return Buffer.from(`{${all.map(({ key, text: value }) => `${keyText(key)}: ${value}`).join(' ,\n')}}`)
}

const judge = (body: Buffer, signature: string | undefined): Received =>
  receive({
    headers: { 'content-type': 'application/json', 'x-lernito-signature': signature },
    body,
    secrets: [SECRET, PREVIOUS],
    now: 0,
  })

function signatureOf(body: Buffer, form: SignatureForm, secret: string): string | null {
  try {
    return sign({ body, form, secret })
  } catch (error) {
    if (error instanceof Error && error.message.includes('lone surrogate')) return null
    throw error
  }
}

/** JavaScript and Python differ in these at the ends of a text: such a text is left out. */
const DIFFERENT_SPACES = '\ufeff\x1c\x1d\x1e\x1f\x85'
const trimmed = (value: unknown): unknown =>
  typeof value === 'string' && ![...DIFFERENT_SPACES].some((space) => value.includes(space)) ? value.trim() : undefined

/** What is used are the values that were written last, and thereby signed. */
function assertUsed(request: EnrollmentRequest, all: readonly Member[]): void {
  for (const field of FIELDS) {
    const value = all.findLast(({ key }) => key === field)?.value
    const expected = Array.isArray(value) ? value.map(trimmed) : trimmed(value)
    const known = Array.isArray(expected) ? !expected.includes(undefined) : expected !== undefined
    if (known) assert.deepEqual(request[field], expected)
  }
}

test('a signed body is judged by its fields and used as it was signed; every other body is refused', (t) => {
  const fuzzing = startFuzzing(t, { share: 'payload' })
  const property = fc.property(
    members,
    fc.boolean(),
    fc.constantFrom(...SIGNATURE_FORMS),
    fc.constantFrom(SECRET, PREVIOUS),
    fc.option(mutationsOf(['"', '\\', '{', '}', ',', '\\u0065', '__proto__', ' ', '0']), { freq: 2 }),
    (all, escaped, form, secret, mutations) => {
      const body = written(all, escaped)
      const signature = signatureOf(body, form, secret)
      if (signature === null) fuzzing.count('can not be signed')
      else if (mutations !== null) {
        const changed = mutated(body, mutations)
        const received = judge(changed, signature)
        // A mutation may leave the meaning as it was, and with it the signature of a form that is made of the meaning.
        if (received.kind !== 'refused') {
          assert.ok(received.form !== 'standard')
          assert.equal(signatureOf(changed, received.form, secret), signature)
        }
        fuzzing.count(received.kind === 'refused' ? `mutated: ${received.status}` : 'mutated, with the same meaning')
      } else {
        assert.equal(judge(body, undefined).kind, 'refused')
        const received = judge(body, signature)
        assert.notEqual(received.kind, 'refused')
        if (received.kind === 'signed') assertUsed(received.request, all)
        fuzzing.count(received.kind)
      }
      assert.deepEqual(Reflect.ownKeys(Object.prototype), PROTOTYPE)
      fuzzing.ran()
    },
  )
  fc.assert(property, fuzzing.parameters)
  fuzzing.end()
})
