import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from '../../src/sale/json/canonical.ts'
import { type Json, JsonSyntaxError, readJson } from '../../src/sale/json/json.ts'
import { readUtf8 } from '../../src/sale/json/utf8.ts'
import { SIGNATURE_FORMS, sign, verify } from '../../src/shop/signature/signature.ts'
import { startFuzzing } from './fuzzing.ts'
import { mutated, mutationsOf } from './mutations.ts'

const SECRET = 'a-secret-for-fuzzing'
const PROTOTYPE = Reflect.ownKeys(Object.prototype)
const STYLES = [true, false].flatMap((ascii) => [true, false].map((spaces) => ({ ascii, spaces })))

const WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '\\',
  '\\u',
  '\\ud83d',
  '\\u0000',
  '\\"',
  '0',
  '-',
  '.',
  'e',
  'E+',
  ' ',
  '\n',
]
const NUMBERS = ['-0', '-0.0', '1e400', '-1e-400', '1E16', '9007199254740993', '0.1', '1.5e-7', '9'.repeat(4301)]
const OTHERS = ['NaN', '-Infinity', 'true', 'null', '"__proto__":', '\ufeff', '😀', '\u2028', '\x7f', '['.repeat(901)]

const word = fc.constantFrom(...WORDS, ...NUMBERS, ...OTHERS)
const soup = fc.array(word, { maxLength: 30 }).map((words) => Buffer.from(words.join('')))
const valid = fc.json({ stringUnit: 'binary', maxDepth: 6 }).map((text) => Buffer.from(text))
const keys = fc.array(fc.oneof(word, fc.string({ unit: 'binary' })), { maxLength: 20 })
const object = keys.map((all) =>
  Buffer.from(`{${all.map((key, i) => `${JSON.stringify(key)} :[${i},${key}]`).join()}}`),
)
const damaged = fc
  .tuple(fc.oneof(valid, object), mutationsOf([...WORDS, ...NUMBERS]))
  .map(([bytes, mutations]) => mutated(bytes, mutations))
const anything = fc.oneof(
  soup,
  valid,
  object,
  damaged,
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
)

/** The text of the bytes; null where they are not UTF-8. Nothing else may happen. */
function textOf(bytes: Buffer): string | null {
  try {
    const text = readUtf8(bytes)
    assert.ok(Buffer.from(text).equals(bytes), 'bytes were repaired')
    return text
  } catch (error) {
    if (error instanceof JsonSyntaxError) return null
    throw error
  }
}

function read(text: string): Json | JsonSyntaxError {
  try {
    return readJson(text)
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    return error
  }
}

/** Infinity is written by Python and read by nobody. */
const hasInfinity = (canonical: string): boolean => canonical.replace(/"(?:[^"\\]|\\.)*"/g, '').includes('Infinity')

test('any bytes are read or refused, and all four written styles of a text read as the same', (t) => {
  const fuzzing = startFuzzing(t, { share: 'json' })
  const property = fc.property(
    anything,
    fc.constantFrom(...STYLES),
    fc.constantFrom(...SIGNATURE_FORMS),
    (bytes, style, form) => {
      const text = textOf(bytes)
      const tree = text === null ? null : read(text)
      if (text === null) fuzzing.count('not UTF-8')
      else if (tree instanceof JsonSyntaxError) {
        fuzzing.count('not JSON')
        const [, at = '0'] = / \(char (\d+)\)$/.exec(tree.message) ?? []
        assert.ok(Number(at) <= text.length, tree.message)
      } else {
        fuzzing.count('read')
        const written = canonicalJson(tree, style)
        const again = read(written)
        if (hasInfinity(written)) assert.ok(again instanceof JsonSyntaxError)
        else {
          assert.ok(!(again instanceof JsonSyntaxError))
          assert.equal(canonicalJson(again, style), written)
        }
        assertVerified({ bytes, tree, form })
      }
      assert.deepEqual(Reflect.ownKeys(Object.prototype), PROTOTYPE)
      fuzzing.ran()
    },
  )
  fc.assert(property, fuzzing.parameters)
  fuzzing.end()
})

/** What can be signed verifies, and not with another secret. */
function assertVerified({ bytes, tree, form }: { bytes: Buffer; tree: Json; form: (typeof SIGNATURE_FORMS)[number] }) {
  const style = { ascii: false, spaces: false }
  if (form.endsWith('utf8') && !canonicalJson(tree, style).isWellFormed()) return
  const header = sign({ body: bytes, form, secret: SECRET })
  assert.equal(verify({ body: bytes, json: tree, header, secrets: ['another-secret', SECRET] })?.secretIndex, 1)
  assert.equal(verify({ body: bytes, json: tree, header, secrets: ['another-secret'] }), null)
}
