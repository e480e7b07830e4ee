import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from '../../../src/sale/json/canonical.ts'
import { isArray, isObject, type Json, JsonNumber, JsonSyntaxError, readJson } from '../../../src/sale/json/json.ts'
import { cpuMs } from '../../cpu-time.ts'

const SIZE = 1_000_000

/** Milliseconds; reading may end in a JsonSyntaxError and in nothing else. */
function timeOf(text: string): number {
  const start = cpuMs()
  try {
    canonicalJson(readJson(text), { ascii: true, spaces: false })
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
  }
  return cpuMs() - start
}

const saysOf = (text: string): string => {
  try {
    readJson(text)
  } catch (error) {
    return error instanceof JsonSyntaxError ? error.message : String(error)
  }
  return 'read'
}

/** The JavaScript value with the same meaning, numbers as floats. */
function plain(node: Json): unknown {
  if (node instanceof JsonNumber) return Number(node.digits)
  if (isArray(node)) return node.map(plain)
  return isObject(node) ? new Map([...node].map(([key, value]) => [key, plain(value)])) : node
}

test('numbers keep the digits they were written with', () => {
  const tree = readJson('[1.0, 1.00, -0, 9007199254740993, 1E+400]')
  assert.ok(isArray(tree))
  assert.deepEqual(
    tree.map((node) => node instanceof JsonNumber && node.digits),
    ['1.0', '1.00', '-0', '9007199254740993', '1E+400'],
  )
})

test('__proto__, constructor and prototype are ordinary keys', () => {
  const tree = readJson('{"__proto__": {"x": true}, "constructor": null, "a": {"prototype": "p"}}')
  assert.ok(isObject(tree))
  assert.deepEqual([...tree.keys()], ['__proto__', 'constructor', 'a'])
  assert.equal(Reflect.get({}, 'x'), undefined)
})

test('the last of two equal keys wins, however they are escaped', () => {
  assert.deepEqual(readJson('{"ab": 1, "\\u0061b": "last"}'), new Map([['ab', 'last']]))
})

test('a key of one text never corrupts a key of the next (nodejs/node#63785)', () => {
  const texts = ['{"email":[],"\\\\":0}', '{"email":1,"\\u00e9":2}', '{"email":1,"\\n":2}', '{"email":1,"\\u0041bc":2}']
  const keys = texts.map((text) => {
    const tree = readJson(text)
    return isObject(tree) ? [...tree.keys()] : []
  })
  assert.deepEqual(keys, [
    ['email', '\\'],
    ['email', 'é'],
    ['email', '\n'],
    ['email', 'Abc'],
  ])
})

test('nesting of 900 levels is read and written, one more is refused with its position', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  assert.equal(canonicalJson(readJson(nested(900)), { ascii: true, spaces: false }), nested(900))
  assert.equal(saysOf(nested(901)), 'Nesting deeper than 900 levels: line 1 column 901 (char 900)')
  assert.equal(saysOf('{"a":'.repeat(901)), 'Nesting deeper than 900 levels: line 1 column 4501 (char 4500)')
})

test('a million hostile characters take no longer than a million ordinary ones', () => {
  const hostile = [
    '['.repeat(SIZE),
    '{"a":'.repeat(SIZE / 5),
    '"'.repeat(SIZE),
    `"${'\\'.repeat(SIZE)}`,
    `"${'\\u0041'.repeat(SIZE / 6)}`,
    `"${'\\ud83d'.repeat(SIZE / 6)}"`,
    `[${'"",'.repeat(SIZE / 3)}`,
    `[${'1,'.repeat(SIZE / 2)}1]`,
    `{${'"a":1,'.repeat(SIZE / 6)}"b":NaN}`,
    `{${Array.from({ length: SIZE / 10 }, (_, i) => `"${i}":0`).join()}}`,
    `{${Array.from({ length: 1000 }, (_, i) => `"${'k'.repeat(1000)}${i}":0`).join()}}`,
    '1'.repeat(SIZE),
    `1.${'1'.repeat(SIZE)}`,
    `1e${'1'.repeat(SIZE)}`,
    `-${'0'.repeat(SIZE)}`,
    `[${' '.repeat(SIZE)}`,
    '\n'.repeat(SIZE),
    '😀'.repeat(SIZE / 2),
    `"${'\0'.repeat(SIZE)}"`,
    `"${'x'.repeat(SIZE)}\n"`,
  ]
  // Each takes at most 0.2 s here; a quadratic step would take minutes.
  for (const text of hostile) assert.ok(timeOf(text) < 3000, text.slice(0, 20))
})

test('all that JSON.stringify writes is read with the same meaning', () => {
  const expected = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(expected)
    if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : value
    return new Map(Object.entries(value).map(([key, member]) => [key, expected(member)]))
  }
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      assert.deepEqual(plain(readJson(JSON.stringify(value))), expected(value))
    }),
  )
})

const piece = fc.constantFrom(...'{}[]":,\\u0 \n-+.eE1tnfNI', '"a"', 'null', 'true', '\\ud83d', '😀', '1'.repeat(4301))
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json({ stringUnit: 'binary' }),
  fc.array(piece).map((pieces) => pieces.join('')),
)

test('any text is read or refused with a JsonSyntaxError', () => {
  fc.assert(
    fc.property(anyText, (input) => assert.ok(timeOf(input) < 3000)),
    { numRuns: 2000 },
  )
})
