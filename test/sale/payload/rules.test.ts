import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readJson } from '../../../src/sale/json/json.ts'
import { aboutOf, type Payload, readPayload } from '../../../src/sale/payload/rules.ts'
import { cpuMs } from '../../cpu-time.ts'

/**
 * Expected values are those of a Django REST framework 3.16.1 serializer with the original's fields, but for the limit
 * of 254 characters, which is ours. The recorded cases are in receive-recorded.test.ts.
 */
const GOOD = {
  email: '"a@b.example"',
  name: '"New"',
  family: '"Comer"',
  username: '"newcomer"',
  courseIds: '["course-v1:a+b+c"]',
}

/** The payload with some fields replaced; null leaves one out. Values are JSON texts. */
function read(fields: Partial<Record<keyof typeof GOOD, string | null>> = {}): Payload {
  const members = Object.entries({ ...GOOD, ...fields }).filter(([, text]) => text !== null)
  return readPayload(readJson(`{${members.map(([name, text]) => `"${name}":${text}`).join()}}`))
}

const errors = (payload: Payload): unknown => ('errors' in payload ? payload.errors : 'none')
const nameOf = (text: string): unknown => {
  const payload = read({ name: text })
  return 'request' in payload ? payload.request.name : payload.errors.name
}

test('a valid payload becomes a request without the other fields', () => {
  assert.deepEqual(
    readPayload(readJson(`{"phone":1,"courseIds":["a","b"],"email":"a@b.co","name":"N","family":"F","username":"u"}`)),
    {
      request: { email: 'a@b.co', name: 'N', family: 'F', username: 'u', courseIds: ['a', 'b'] },
    },
  )
})

test('numbers become the text that Python writes', () => {
  const texts = { '7': '7', '-0': '0', '1.50': '1.5', '1.0': '1.0', '1e16': '1e+16', '-0.0': '-0.0', '1e400': 'inf' }
  for (const [number, expected] of Object.entries(texts)) assert.equal(nameOf(number), expected)
  assert.equal(nameOf('123456789012345678901234567890'), '123456789012345678901234567890')
  const payload = read({ courseIds: '[7, 1e-7, -1e400]' })
  assert.deepEqual('request' in payload && payload.request.courseIds, ['7', '1e-07', '-inf'])
})

test('a number with too many digits is too long', () => {
  assert.equal(nameOf('1'.repeat(255)), '1'.repeat(255))
  assert.deepEqual(nameOf('1'.repeat(256)), ['Ensure this field has no more than 255 characters.'])
})

test('only what Python considers white space is trimmed', () => {
  const space =
    '\\t\\n\\u000b\\f\\r\\u001c\\u001d\\u001e\\u001f \\u0085\\u00a0\\u1680\\u2000\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
  assert.equal(nameOf(`"${space}a b${space}"`), 'a b')
  assert.deepEqual(nameOf(`"${space}"`), ['This field may not be blank.'])
  for (const other of ['\ufeff', '\u200b', '\u180e', '\u2060'])
    assert.equal(nameOf(`"${other}a${other}"`), `${other}a${other}`)
})

test('a long run of white space inside a text is checked quickly', () => {
  const start = cpuMs()
  assert.deepEqual(nameOf(`"a${' '.repeat(1_000_000)}a"`), ['Ensure this field has no more than 255 characters.'])
  assert.ok(cpuMs() - start < 1000)
})

test('length is counted in code points, after trimming', () => {
  assert.equal(nameOf(`"  ${'😀'.repeat(255)}  "`), '😀'.repeat(255))
  assert.deepEqual(nameOf(`"${'😀'.repeat(256)}"`), ['Ensure this field has no more than 255 characters.'])
})

test('all errors of a text are listed: length, NUL, the first surrogate', () => {
  assert.deepEqual(nameOf(`"\\u0000\\udfff\\ud800${'x'.repeat(300)}"`), [
    'Ensure this field has no more than 255 characters.',
    'Null characters are not allowed.',
    'Surrogate characters are not allowed: U+DFFF.',
  ])
  assert.deepEqual(errors(read({ email: '"\\ud800\\u0000"' })), {
    email: [
      'Null characters are not allowed.',
      'Surrogate characters are not allowed: U+D800.',
      'Enter a valid email address.',
    ],
  })
  assert.equal(nameOf('"\\ud83d\\ude00"'), '😀')
})

test('a blank text gets only the error that it is blank', () => {
  assert.deepEqual(nameOf(`"${' '.repeat(300)}"`), ['This field may not be blank.'])
})

test('errors come in the order name, family, username, email, courseIds', () => {
  const bad = { email: 'true', name: 'true', family: '{}', username: '[]', courseIds: '1.5' }
  assert.deepEqual(Object.entries(Object(errors(read(bad)))), [
    ['name', ['Not a valid string.']],
    ['family', ['Not a valid string.']],
    ['username', ['Not a valid string.']],
    ['email', ['Enter a valid email address.']],
    ['courseIds', ['Expected a list of items but got type "float".']],
  ])
})

test('the error of each wrong entry of courseIds has its index', () => {
  assert.deepEqual(errors(read({ courseIds: '["a",null,[],"",true,{},"b\\u0000"]' })), {
    courseIds: {
      1: ['This field may not be null.'],
      2: ['Not a valid string.'],
      3: ['This field may not be blank.'],
      4: ['Not a valid string.'],
      5: ['Not a valid string.'],
      6: ['Null characters are not allowed.'],
    },
  })
})

test('an empty list of courses is an error only if all fields are valid', () => {
  const none = { non_field_errors: ['At least one courseId must be provided'] }
  assert.deepEqual(errors(read({ courseIds: '[]' })), none)
  assert.deepEqual(errors(read({ courseIds: '[]', name: null })), { name: ['This field is required.'] })
})

test('an address over 254 characters is an error only if everything else is valid', () => {
  const of = (length: number): string => `"${'a'.repeat(length - 5)}@b.co"`
  assert.equal(errors(read({ email: of(254) })), 'none')
  const long = { email: ['Ensure this field has no more than 254 characters.'] }
  assert.deepEqual(errors(read({ email: of(255) })), long)
  assert.deepEqual(errors(read({ email: of(320) })), long)
  assert.deepEqual(errors(read({ email: of(321) })), { email: ['Enter a valid email address.'] })
  assert.deepEqual(errors(read({ email: of(255), name: 'null' })), { name: ['This field may not be null.'] })
})

test('the error for a payload that is not an object names its Python type', () => {
  const types = { '[]': 'list', '"x"': 'str', '1': 'int', '1e1': 'float', false: 'bool' }
  for (const [text, type] of Object.entries(types)) {
    const message = `Invalid data. Expected a dictionary, but got ${type}.`
    assert.deepEqual(readPayload(readJson(text)), { errors: { non_field_errors: [message] } })
  }
  assert.deepEqual(readPayload(null), { errors: { non_field_errors: ['No data provided'] } })
})

test('the searchable texts of a refused payload are kept', () => {
  const about = (text: string): unknown => aboutOf(readJson(text))
  assert.deepEqual(about('{"email":"ada@x","username":7,"courseIds":["a",null,"b"],"name":"Ada"}'), {
    email: 'ada@x',
    courseIds: ['a', 'b'],
  })
  assert.deepEqual(about('{"email":["ada@x"],"username":"ada","courseIds":"a"}'), { username: 'ada' })
  assert.deepEqual(about('{"email":"\\ud800@x"}'), { email: '\ufffd@x' })
  for (const text of ['[]', 'null', '"ada@x"', '{}']) assert.deepEqual(about(text), {})
})
