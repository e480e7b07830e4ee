import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { keyOf } from '../../../src/service/lib/standard-key.ts'
import {
  ID_MAX,
  SIGNATURES_MAX,
  type StandardFault,
  TOLERANCE_S,
  verifyStandard,
} from '../../../src/shop/signature/standard.ts'
import { signStandard } from './sign-standard.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const PREVIOUS = 'the-secret-before-it'
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
const AT = 1_614_265_330
const BODY = '{"test": 2432232314}'
const GOOD = signStandard({ id: ID, timestamp: AT, body: BODY, secret: SECRET })
/** A signature of another text. */
const OTHER = 'v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc='

interface Request {
  id?: string | undefined
  timestamp?: string | undefined
  signature?: string
  body?: string | Uint8Array
  secrets?: readonly string[]
  now?: number
}

/** What a request gives that is right in all that `request` doesn't name: the index of the secret, or the fault. */
function check(request: Request = {}): number | StandardFault {
  const verified = verifyStandard({
    id: ID,
    timestamp: String(AT),
    signature: GOOD,
    body: BODY,
    secrets: [SECRET],
    now: AT * 1000,
    ...request,
  })
  return typeof verified === 'string' ? verified : verified.secretIndex
}

const vectors = z
  .object({
    libraries: z.record(z.string(), z.string()),
    cases: z.array(
      z.object({
        name: z.string(),
        secret: z.string(),
        id: z.string(),
        timestamp: z.number(),
        body: z.string(),
        signatures: z.record(z.string(), z.string()),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/standard-webhooks.json'), 'utf8')))

describe('what the reference libraries sign', () => {
  for (const { name, secret, id, timestamp, body, signatures } of vectors.cases) {
    for (const [language, version] of Object.entries(vectors.libraries)) {
      test(`${name}, signed in ${language} by ${version}: it verifies, and the signature made here is the same`, () => {
        const signature = signatures[language] ?? ''
        const request = { id, timestamp: String(timestamp), signature, secrets: [secret], now: timestamp * 1000 }
        assert.equal(check({ ...request, body }), 0)
        assert.equal(check({ ...request, body: Buffer.from(body) }), 0)
        assert.equal(signStandard({ id, timestamp, body, secret }), signature)
      })
    }
  }

  test('the example that the specification’s libraries publish has the published signature', () => {
    assert.equal(GOOD, 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  test('a list with signatures of other texts and another version verifies, as in the published test', () => {
    const list = [OTHER, OTHER.replace('v1', 'v2'), GOOD, OTHER].join(' ')
    assert.equal(check({ signature: list }), 0)
  })
})

describe('the secret', () => {
  test('it signs by its bytes after whsec_, and otherwise as UTF-8', () => {
    const bytes = Buffer.from('a key of twenty bytes')
    const base64 = bytes.toString('base64')
    assert.deepEqual(keyOf(`whsec_${base64}`), bytes)
    assert.deepEqual(keyOf('schlüssel'), Buffer.from('schlüssel'))
    assert.deepEqual(keyOf(base64), Buffer.from(base64))
    assert.deepEqual(keyOf(' whsec_AAAA'), Buffer.from(' whsec_AAAA'))
  })

  test('whsec_ without base64 after it is no key, and never an empty one', () => {
    for (const rest of ['', '=', '====', 'AAAAA', 'AAA*', 'AA-_', 'AAAA ', 'AAAA\n', 'A===', 'AAAA=', 'AAA', 'AA=']) {
      assert.equal(keyOf(`whsec_${rest}`), null, rest)
    }
    const empty = `v1,${createHmac('sha256', '').update(`${ID}.${AT}.${BODY}`).digest('base64')}`
    assert.equal(check({ signature: empty, secrets: ['whsec_', 'whsec_='] }), 'signature')
    assert.throws(() => signStandard({ id: ID, timestamp: AT, body: BODY, secret: 'whsec_' }), /whsec_/)
  })

  test('while it is rotated, either secret is accepted, from a sender that signs with one or with both', () => {
    const old = signStandard({ id: ID, timestamp: AT, body: BODY, secret: PREVIOUS })
    const secrets = [SECRET, PREVIOUS]
    assert.equal(check({ secrets, signature: GOOD }), 0)
    assert.equal(check({ secrets, signature: old }), 1)
    assert.equal(check({ secrets, signature: `${old} ${GOOD}` }), 0)
    assert.equal(check({ secrets: [PREVIOUS], signature: `${GOOD} ${old}` }), 0)
    assert.equal(check({ secrets: [SECRET], signature: old }), 'signature')
    assert.equal(check({ secrets: [] }), 'signature')
  })
})

describe('the timestamp', () => {
  const cases: Record<number, number | StandardFault> = {
    [-TOLERANCE_S - 1]: 'too_old',
    [-TOLERANCE_S]: 0,
    0: 0,
    [TOLERANCE_S]: 0,
    [TOLERANCE_S + 1]: 'too_new',
  }
  for (const [offset, result] of Object.entries(cases)) {
    test(`${offset} seconds from our clock: ${result === 0 ? 'it is accepted' : result}`, () => {
      const timestamp = AT + Number(offset)
      const signature = signStandard({ id: ID, timestamp, body: BODY, secret: SECRET })
      for (const ms of [0, 1, 999]) {
        assert.equal(check({ timestamp: String(timestamp), signature, now: AT * 1000 + ms }), result)
      }
    })
  }

  test('an old one with a wrong signature is called a wrong signature, so that a stranger’s clock means nothing', () => {
    assert.equal(check({ signature: OTHER, now: 0 }), 'signature')
    assert.equal(check({ now: 0 }), 'too_new')
  })

  test('it is a whole number of seconds and nothing else', () => {
    const wrong = [undefined, '', ' ', 'now', '1e9', '1614265330.0', '-1', '+1614265330', '01614265330', '0x6037bb72']
    wrong.push(`${AT}, ${AT}`, `${AT}\n`, `${AT}000`, '١٦١٤٢٦٥٣٣٠', 'NaN', 'Infinity', '9'.repeat(5000))
    for (const timestamp of wrong) assert.equal(check({ timestamp }), 'timestamp', timestamp)
  })
})

describe('the id', () => {
  test('it has 1 to 256 printable ASCII characters without spaces', () => {
    const wrong = [undefined, '', ' ', 'a b', 'a\tb', 'a\0', 'a\n', 'ä', '\x7f', '\xa0', '😀', 'a, a']
    for (const id of [...wrong, 'x'.repeat(ID_MAX + 1), 'x'.repeat(100_000)]) {
      assert.equal(check({ id }), 'webhook_id', id)
      if (id !== undefined)
        assert.throws(() => signStandard({ id, timestamp: AT, body: BODY, secret: SECRET }), /The id/)
    }
    for (const id of ['1', 'x'.repeat(ID_MAX), "a.b:/?#[]@!$&'()*+,;=%2e~", '../../x', '<script>', '=1+1']) {
      const signature = signStandard({ id, timestamp: AT, body: BODY, secret: SECRET })
      assert.equal(check({ id, signature }), 0, id)
    }
  })

  test('it is signed: another one doesn’t verify, not even in another letter case', () => {
    for (const id of [`${ID}x`, ID.slice(1), ID.toUpperCase()]) assert.equal(check({ id }), 'signature')
  })
})

describe('the list of signatures', () => {
  test('without one that can be a v1 signature it is malformed', () => {
    const raw = GOOD.slice(3)
    const hex = Buffer.from(raw, 'base64').toString('hex')
    const wrong = ['', ' ', 'v1', 'v1,', 'v1,=', raw, hex, `v1,${hex}`, `v1,${raw.slice(0, -1)}`, `v1,${raw}=`]
    wrong.push(
      `v1a,${raw}`,
      `V1,${raw}`,
      `v1 ,${raw}`,
      `v1:${raw}`,
      `v1=${raw}`,
      `sha256=${hex}`,
      `v1,${raw.slice(0, 8)}`,
    )
    wrong.push(
      `v1,${raw.replaceAll('/', '_').replaceAll('+', '-')}`,
      `v1,${'é'.repeat(44)}`,
      `v1,\t${raw}`,
      `\t${GOOD}`,
    )
    for (const signature of wrong) assert.equal(check({ signature }), 'signature_format', signature)
  })

  test('a malformed entry, or a repeated header, which Node joins with a comma, refuses all', () => {
    for (const signature of [`${GOOD}, ${GOOD}`, `${OTHER}, ${GOOD}`, `${GOOD}, ${OTHER}`, `${GOOD} x`, `,${GOOD}`]) {
      assert.equal(check({ signature }), 'signature_format', signature)
    }
  })

  test('entries of another version and v1 entries that can’t be a signature are skipped', () => {
    assert.equal(check({ signature: `v1a,abc v2,${GOOD.slice(3)} v1,short  ${GOOD} ` }), 0)
  })

  test(`it has at most ${SIGNATURES_MAX} entries`, () => {
    const others = Array.from({ length: SIGNATURES_MAX - 1 }, () => OTHER)
    assert.equal(check({ signature: [...others, GOOD].join(' ') }), 0)
    assert.equal(check({ signature: [...others, OTHER, GOOD].join(' ') }), 'signature_format')
    assert.equal(check({ signature: `${GOOD} `.repeat(20_000) }), 'signature_format')
  })

  test('a signature with one changed character is refused, and so is the same one with other spare bits', () => {
    for (let at = 3; at < GOOD.length - 1; at++) {
      const changed = GOOD.slice(0, at) + (GOOD[at] === 'A' ? 'B' : 'A') + GOOD.slice(at + 1)
      assert.equal(check({ signature: changed }), 'signature')
    }
    const spare = GOOD.replace(/E=$/, 'F=')
    assert.deepEqual(Buffer.from(spare.slice(3), 'base64'), Buffer.from(GOOD.slice(3), 'base64'))
    assert.equal(check({ signature: spare }), 'signature')
  })
})

test('it signs the bytes of the body: the same JSON in other bytes doesn’t verify', () => {
  for (const body of [` ${BODY}`, `${BODY}\n`, BODY.replace(' ', ''), '', '{}'])
    assert.equal(check({ body }), 'signature')
  const bytes = Uint8Array.of(0x22, 0xff, 0x00, 0x22)
  const signature = signStandard({ id: ID, timestamp: AT, body: bytes, secret: SECRET })
  assert.equal(check({ body: bytes, signature }), 0)
})

const id = fc.string({ unit: fc.constantFrom(...'ab.1:_-{}"'), minLength: 1, maxLength: ID_MAX })
const seconds = fc.nat({ max: 4_000_000_000 })

test('every signed request verifies with its secret and no other', () => {
  const secret = fc.oneof(
    fc.string({ unit: 'binary', minLength: 8 }).filter((text) => !text.startsWith('whsec_') && text.isWellFormed()),
    fc.uint8Array({ minLength: 8, maxLength: 64 }).map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`),
  )
  fc.assert(
    fc.property(id, seconds, fc.uint8Array(), secret, secret, (sent, timestamp, body, own, other) => {
      const signature = signStandard({ id: sent, timestamp, body, secret: own })
      const request = { id: sent, timestamp: String(timestamp), signature, body, now: timestamp * 1000 }
      assert.equal(check({ ...request, secrets: [other, own] }), own === other ? 0 : 1)
      if (own !== other) assert.equal(check({ ...request, secrets: [other] }), 'signature')
    }),
  )
})

test('the signed text of a sale can’t be divided in another way into an id, a time and a sale', () => {
  // The three parts are joined by dots, and an id may contain dots; but a time is digits, and a sale is a JSON object.
  const value = fc.string({ unit: fc.constantFrom(...'.1{}:,\\" ') })
  fc.assert(
    fc.property(id, seconds, value, value, (sent, timestamp, one, two) => {
      const body = JSON.stringify({ [one]: [two, 1.5] })
      const text = `${sent}.${timestamp}.${body}`
      const readings = [...text.matchAll(/\./g)].flatMap(({ index: end }) => {
        const [, before = '', digits = ''] = /^(.+)\.(0|[1-9]\d{0,11})$/s.exec(text.slice(0, end)) ?? []
        return before !== '' && isObject(text.slice(end + 1)) ? [[before, digits, text.slice(end + 1)]] : []
      })
      assert.deepEqual(readings, [[sent, String(timestamp), body]])
    }),
    { numRuns: 2000 },
  )
})

function isObject(text: string): boolean {
  try {
    return JSON.parse(text) instanceof Object
  } catch {
    return false
  }
}

test('no headers and no body make it throw', () => {
  const text = fc.option(fc.string({ unit: 'binary' }), { nil: undefined })
  fc.assert(
    fc.property(text, text, fc.string({ unit: 'binary' }), fc.uint8Array(), (one, two, signature, body) => {
      assert.equal(typeof check({ id: one, timestamp: two, signature, body }), 'string')
    }),
  )
})
