import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readJson } from '../../sandbox/api/json.ts'
import { compareFolded, fold } from '../../sandbox/lms/collation.ts'
import { looksLikeCourseKey, parseCourseKey } from '../../sandbox/lms/course-keys.ts'
import { isEmailAddress } from '../../sandbox/lms/email-addresses.ts'

test('letter case, accents and trailing spaces make no difference; other characters do', () => {
  for (const same of ['JOSÉ@Example.com', 'jose\u0301@example.com', 'josé@example.com  ']) {
    assert.equal(fold(same), 'jose@example.com')
  }
  assert.equal(fold('straße'), fold('STRASSE'))
  assert.notEqual(fold('n3+x@example.com'), fold('n3x@example.com'))
  assert.ok(compareFolded('alice', 'Bob') < 0)
  assert.ok(compareFolded('Pro', 'PY101') < 0)
  assert.equal(compareFolded('É', 'e'), 0)
})

test('course keys are parsed as recorded, and stored without branch and version', () => {
  const demo = 'course-v1:edX+DemoX+Demo_Course'
  for (const key of [demo, `${demo}+branch@draft-branch`, `${demo}+version@519665f6223ebd6980884f2b`]) {
    assert.equal(parseCourseKey(key)?.id, demo)
  }
  for (const key of [
    'edX/Old/2014',
    'library-v1:edX+Lib',
    'ccx-v1:a+b+c+ccx@1',
    'course-v1:a:b+c+d',
    'é/b/c',
    'course-v1:٣+b+c',
  ]) {
    assert.equal(parseCourseKey(key)?.id, key)
  }
  const wrong = [
    'nonsense',
    'course-v1:a+b',
    'course-v1:a+b+c+d',
    'course-v1:a b+c+d',
    'course-v1:a+b+c/d',
    'a/b',
    'a/b/c/d',
  ]
  wrong.push(
    'COURSE-V1:a+b+c',
    'course-v1:(a)+b+c',
    'a/b/c d',
    'course-v1:a++c',
    '/a/b/c',
    'lib:a:b',
    'block-v1:a+b+c+type@x+block@y',
  )
  for (const key of wrong) assert.equal(parseCourseKey(key), null, key)
  assert.equal(parseCourseKey('edX/Old/2014')?.deprecated, true)
  assert.equal(looksLikeCourseKey('library-v1:edX+Lib'), false)
})

test('addresses are checked as in Django', () => {
  for (const address of ["o'neil@example.com", 'a+b@example.com', 'user@exämple.com', 'a@localhost', 'a@b.例え']) {
    assert.ok(isEmailAddress(address), address)
  }
  for (const address of [
    'nonsense',
    'x@y',
    '@example.com',
    'é@example.com',
    'b"@example.com',
    'a@-b.com',
    'a..b@example.com',
  ]) {
    assert.ok(!isEmailAddress(address), address)
  }
})

test('JSON is read like JSON.parse, and refused with Python’s messages', () => {
  const texts = [
    '{"a":[1,-2.5e3,true,null,"\\u00e9\\n\\"x"],"b":{}}',
    ' [ ] ',
    '"\\ud83d\\ude00"',
    '0',
    '{"a":1,"a":2}',
  ]
  for (const text of texts) {
    const read = readJson(text)
    assert.ok(read.ok)
    assert.equal(JSON.stringify(read.value), JSON.stringify(JSON.parse(text)))
  }
  for (const [text, message] of [
    ['{"user":', 'Expecting value: line 1 column 9 (char 8)'],
    ['[1,\n x]', 'Expecting value: line 2 column 2 (char 5)'],
    ['{"a" 1}', "Expecting ':' delimiter: line 1 column 6 (char 5)"],
    ['{"a":1 "b"}', "Expecting ',' delimiter: line 1 column 8 (char 7)"],
    ['{a:1}', 'Expecting property name enclosed in double quotes: line 1 column 2 (char 1)'],
    ['"😀', 'Unterminated string starting at: line 1 column 1 (char 0)'],
    ['"😀\n"', 'Invalid control character at: line 1 column 3 (char 2)'],
    ['"\\x"', 'Invalid \\escape: line 1 column 2 (char 1)'],
    ['"\\u12"', 'Invalid \\uXXXX escape: line 1 column 3 (char 2)'],
    ['1 2', 'Extra data: line 1 column 3 (char 2)'],
  ] as const) {
    assert.deepEqual(readJson(text), { ok: false, message }, text)
  }
})
