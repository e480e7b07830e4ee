import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, pythonNumber, type Style } from '../../../src/sale/json/canonical.ts'
import { JsonNumber, readJson } from '../../../src/sale/json/json.ts'

const COMPACT: Style = { spaces: false, ascii: true }
const STYLES: Style[] = [COMPACT, { spaces: true, ascii: true }, { spaces: false, ascii: false }]

const compact = (text: string): string => canonicalJson(readJson(text), COMPACT)

test('keys are sorted by code point, in nested objects too', () => {
  assert.equal(compact('{"b": {"d": 1, "c": 2}, "10": 0, "9": 0, "a": 0}'), '{"10":0,"9":0,"a":0,"b":{"c":2,"d":1}}')
  const utf8 = canonicalJson(readJson('{"😀": 1, "ﬀ": 2, "z": 3}'), { spaces: false, ascii: false })
  assert.equal(utf8, '{"z":3,"ﬀ":2,"😀":1}')
})

test('keys with and without surrogates are sorted by code point, even with a common prefix', () => {
  const keys = ['\u{10ffff}', '\uffff', '\u{10000}b', '\u{10000}a', '\ue000', '\ud7ff', '\ud800', 'z', '']
  const text = `{${keys.map((key) => `${JSON.stringify(key)}:0`).join()}}`
  const order = ['', 'z', '\ud7ff', '\ud800', '\ue000', '\uffff', '\u{10000}a', '\u{10000}b', '\u{10ffff}']
  const utf8 = canonicalJson(readJson(text), { spaces: false, ascii: false })
  assert.equal(utf8, `{${order.map((key) => `"${key}":0`).join()}}`)
})

test('a key comes before the keys that it is a prefix of', () => {
  assert.equal(compact('{"aa": 1, "a": 2, "": 3}'), '{"":3,"a":2,"aa":1}')
})

test('the ASCII style escapes everything outside printable ASCII, the other style only control characters', () => {
  const tree = readJson('"\\u007fé\\u2028😀\\/\\b\\u001B\\ud800"')
  assert.equal(canonicalJson(tree, COMPACT), '"\\u007f\\u00e9\\u2028\\ud83d\\ude00/\\b\\u001b\\ud800"')
  assert.equal(canonicalJson(tree, { spaces: false, ascii: false }), '"\x7fé\u2028😀/\\b\\u001b\ud800"')
})

test('an escape, a comma or a colon inside a text stays unchanged in every style', () => {
  const tree = readJson('{"\\\\u00e9,:\\"": "\\\\\\u00e9", "a": ["\\\\", ",", "\\u001f:"]}')
  const forms = {
    canonical: '{"\\\\u00e9,:\\"":"\\\\\\u00e9","a":["\\\\",",","\\u001f:"]}',
    readmeUtf8: '{"\\\\u00e9,:\\"": "\\\\é", "a": ["\\\\", ",", "\\u001f:"]}',
  }
  assert.equal(canonicalJson(tree, COMPACT), forms.canonical)
  assert.equal(canonicalJson(tree, { spaces: true, ascii: false }), forms.readmeUtf8)
})

test('the spaced style has one space after each comma and colon', () => {
  assert.equal(
    canonicalJson(readJson('{"b":[1,2,[]],"a":{}}'), { spaces: true, ascii: true }),
    '{"a": {}, "b": [1, 2, []]}',
  )
})

test('numbers are written as Python writes them', () => {
  const cases = {
    '-0': '0',
    '-0.0': '-0.0',
    '1.00': '1.0',
    '1E2': '100.0',
    '1e15': '1000000000000000.0',
    '9999999999999998.0': '9999999999999998.0',
    '1e16': '1e+16',
    '1.5e20': '1.5e+20',
    '1e21': '1e+21',
    '1.7976931348623157e308': '1.7976931348623157e+308',
    '5e-324': '5e-324',
    '0.00012': '0.00012',
    '0.0001': '0.0001',
    '0.00001': '1e-05',
    '-1.5e-7': '-1.5e-07',
    '9007199254740993': '9007199254740993',
    '9007199254740993.0': '9007199254740992.0',
    '1e400': 'inf',
    '-1e400': '-inf',
    '1e-400': '0.0',
  }
  for (const [digits, expected] of Object.entries(cases)) assert.equal(pythonNumber(new JsonNumber(digits)), expected)
})

test('infinity is written as json.dumps writes it', () => {
  assert.equal(compact('[1e400, -1e400, "inf"]'), '[Infinity,-Infinity,"inf"]')
})

test('the canonical form of canonical JSON is the same', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), fc.constantFrom(...STYLES), (text, style) => {
      const once = canonicalJson(readJson(text), style)
      assert.equal(canonicalJson(readJson(once), style), once)
    }),
  )
})

test('the order of keys and white space makes no difference', () => {
  const value = fc.oneof(fc.integer(), fc.string({ unit: 'binary' }), fc.dictionary(fc.string(), fc.boolean()))
  const members = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), value), { selector: ([key]) => key })
  const shuffled = members.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
  )
  const write = (all: [string, unknown][], gap: string): string =>
    `{${gap}${all.map(([key, item]) => `${JSON.stringify(key)}${gap}:${JSON.stringify(item, null, gap)}`).join(`${gap},`)}}`
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      assert.equal(compact(write(one, '')), compact(write(other, '\n\t ')))
    }),
  )
})
