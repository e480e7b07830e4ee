import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { z } from 'zod'
import { courseIdentity, isCourseKey, parentOfCcx } from '../../src/sale/course-key.ts'
import { cpuMs } from '../cpu-time.ts'

const cases = z.object({
  cases: z.array(
    z.object({
      name: z.string(),
      request: z.object({ body: z.string().optional() }),
      response: z.object({ body: z.object({ message: z.unknown() }).nullish().catch(null) }),
    }),
  ),
})

function read(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
}

/** The keys in the original's messages of this form, trimmed. */
function keysNamed(file: string, before: string, after: string): string[] {
  return cases.parse(read(`../recordings/${file}.json`)).cases.flatMap(({ response }) => {
    const message = response.body?.message
    if (typeof message !== 'string' || !message.startsWith(before) || !message.endsWith(after)) return []
    return [message.slice(before.length, message.length - after.length)]
  })
}

for (const [file, malformed, missing] of [
  ['lernito-webhook', 22, 12],
  ['lernito-webhook-random', 74, 29],
] as const) {
  test(`${file}.json: a key that the original calls malformed is malformed`, () => {
    const keys = keysNamed(file, 'Invalid course key format: ', '')
    assert.equal(keys.length, malformed)
    assert.deepEqual(keys.filter(isCourseKey), [])
  })

  test(`${file}.json: a key that the original finds no course for is well-formed`, () => {
    const keys = keysNamed(file, 'Course ', ' does not exist')
    assert.equal(keys.length, missing)
    assert.deepEqual(
      keys.filter((key) => !isCourseKey(key)),
      [],
    )
  })
}

test('the key of every course in the recorded LMS is well-formed', () => {
  const world = z.object({ courses: z.array(z.object({ id: z.string() })) }).parse(read('../recordings/lms/world.json'))
  assert.ok(world.courses.every(({ id }) => isCourseKey(id)))
})

test('a branch or a version may follow a key, as in the recorded webhooks that enrolled', () => {
  assert.ok(isCourseKey('course-v1:edX+DemoX+Demo_Course+branch@draft-branch'))
  assert.ok(isCourseKey('course-v1:edX+DemoX+Demo_Course+version@519665f6223ebd6980884f2b'))
})

test('a key is accepted exactly if edx-opaque-keys accepts it (vectors/course-keys.py)', () => {
  const vectors = z.array(z.tuple([z.string(), z.boolean()])).parse(read('../lms/vectors/course-keys.json'))
  assert.equal(vectors.length, 700)
  assert.deepEqual(
    vectors.filter(([text, taken]) => isCourseKey(text) !== taken),
    [],
  )
})

test('even the longest key that a webhook can carry is judged fast', () => {
  const startedAt = cpuMs()
  assert.ok(!isCourseKey(`course-v1:${'a+'.repeat(30_000)}`))
  assert.ok(!isCourseKey(`${'a'.repeat(60_000)}/b/c/`))
  assert.ok(cpuMs() - startedAt < 1_000)
})

test('a CCX key names the course that it was made from', () => {
  for (const key of ['ccx-v1:a+b+c+ccx@1', 'ccx-v1:a+b+c+branch@d+version@519665f6223ebd6980884f2b+ccx@2']) {
    assert.equal(parentOfCcx(key), 'course-v1:a+b+c', key)
  }
  for (const key of ['course-v1:a+b+c', 'ccx-v1:version@519665f6223ebd6980884f2b+ccx@1', 'a/b/c']) {
    assert.equal(parentOfCcx(key), null, key)
  }
})

test('keys mean the same course only if nothing but letter case, branch, version or namespace differs', () => {
  const isSame = (a: string, b: string): boolean => courseIdentity(a) === courseIdentity(b)
  const key = 'course-v1:Kiel+K101+2026'
  for (const other of [key.toLowerCase(), `${key}+branch@draft`, `${key}+branch@draft+version@${'a'.repeat(24)}`]) {
    assert.ok(isSame(key, other), other)
  }
  assert.ok(isSame('slashes:edX+Old+2014', 'edX/Old/2014'))
  for (const other of [
    'course-v1:\u212Aiel+K101+2026',
    'course-v1:Kiel+K１０１+2026',
    'course-v1:Kíel+K101+2026',
    `${key}1`,
  ]) {
    assert.ok(!isSame(key, other), other)
  }
})
