import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leaksIn, secretsIn } from '../log-watch.ts'

const TESTS = join(import.meta.dirname, '..')

/** Runs leaking.ts as a file of tests, whose one test passes. */
function runLeaking(leak: 'yes' | 'no') {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env // else it would report to this test's runner
  const file = join(import.meta.dirname, 'leaking.ts')
  return spawnSync(process.execPath, ['--test', file], { env: { ...env, LEAK: leak }, encoding: 'utf8' })
}

test('a test file fails if a service that it started logged a secret, even if every test passes', () => {
  const { status, stdout } = runLeaking('yes')
  assert.equal(status, 1)
  assert.match(stdout, /leaking\.ts shows what no log may/)
  assert.equal(runLeaking('no').status, 0)
})

test('a secret, a signature, a token and a whole address are found in any field; masked values are not reported', () => {
  const secrets = ['a-secret-of-this-shop']
  const line = (detail: string): string => JSON.stringify({ level: 'info', detail, msg: 'said' })
  const found = (text: string): string[] =>
    leaksIn({ line: line(text), secrets }).map((leak) => leak.split(':')[0]?.replace('the log shows ', '') ?? '')
  assert.deepEqual(found('x-secret=a-secret-of-this-shop;'), ['a secret of the settings'])
  assert.deepEqual(found('ab12'.repeat(16)), ['a signature or digest'])
  assert.deepEqual(found('JWT eyJhbGciOiJIUzUxMiJ9.x.y'), ['a token'])
  assert.deepEqual(found('"alice@example.com"'), ['a whole e-mail address'])
  assert.deepEqual(found('?email=alice%40example.com'), ['an encoded e-mail address'])
  assert.deepEqual(found('\u009b31m'), ['a character that does something to a terminal'])
  assert.deepEqual(found('x'.repeat(10_000)), ['more than fits a line'])
  for (const fine of [
    'a***@example.com',
    'a***%40example.com',
    '/node_modules/@fastify/error/index.js',
    'node@24.21.0',
    'course-v1:edX+DemoX+Demo_Course+branch@draft',
    'ab12'.repeat(15),
  ]) {
    assert.deepEqual(found(fine), [], fine)
  }
})

test('the watched secrets are those of the settings, including the password of the database', () => {
  const env = {
    LERNITO_WEBHOOK_SECRET: 'a-secret-of-this-shop',
    LERNITO_LMS_CLIENT_SECRET: 'a-secret-of-the-lms',
    LERNITO_LMS_URL: 'https://lms.example.com',
    LERNITO_DATABASE_URL: 'mysql://lernito:pass%2Fword@db/lernito',
    LERNITO_NOTIFY_URL: 'https://chat.example.com/hooks/abc',
  }
  assert.deepEqual(secretsIn(env), [
    env.LERNITO_WEBHOOK_SECRET,
    env.LERNITO_LMS_CLIENT_SECRET,
    env.LERNITO_NOTIFY_URL,
    'pass%2Fword',
    'pass/word',
  ])
})

test('every log of a test is watched', () => {
  // Those of processes are watched by test/service/process.ts, which starts them.
  const allowed = [
    'log-watch.ts',
    'service/telemetry/full-log.test.ts',
    'service/telemetry/log.test.ts',
    'queue/replicas/replica.ts',
    'operators/notify/replica.ts',
    'faults/quick-replica.ts',
  ]
  const makers = globSync('**/*.ts', { cwd: TESTS }).filter((file) =>
    /\bcreateLog\(/.test(readFileSync(join(TESTS, file), 'utf8')),
  )
  const others = makers.filter((file) => !allowed.includes(file) && file !== 'privacy/log-watch.test.ts')
  assert.deepEqual(others, [], 'use watchedLog of test/log-watch.ts')
})
