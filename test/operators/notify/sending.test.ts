import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTextPoster } from '../../../src/operators/notify/post-text.ts'
import { COURSE, only } from '../../queue/harness.ts'
import { startChat } from './chat.ts'
import { setUpNotifier } from './harness.ts'

test('a text is posted in the format of Slack and compatible services', async (t) => {
  const { url, requests } = await startChat(t)
  assert.deepEqual(await createTextPoster({ url })('two "words"\nand more'), { ok: true, status: 200 })
  const body = '{"text":"two \\"words\\"\\nand more"}'
  assert.deepEqual(requests, [{ method: 'POST', type: 'application/json', body }])
})

test('what a receiver answered is said without the address, and a redirect is not followed', async (t) => {
  const target = await startChat(t)
  const chat = await startChat(t)
  const post = createTextPoster({ url: chat.url, timeoutMs: 2000 })
  chat.answer({ status: 403 })
  assert.deepEqual(await post('hello'), { ok: false, status: 403, message: 'the receiver answered 403' })
  chat.answer({ status: 302, location: target.url })
  const redirected = await post('hello')
  assert.ok(!redirected.ok)
  assert.match(redirected.message, /^the receiver redirects \(302\), and redirects are not followed/)
  assert.deepEqual(target.requests, [])
  chat.answer('silence')
  const silent = { ok: false, status: null, message: 'the receiver can’t be reached: no answer within 2 s' }
  assert.deepEqual(await post('hello'), silent)
  for (const url of ['http://127.0.0.1:1/hooks/secret-key', 'http://user:secret-key@127.0.0.1:1/hooks']) {
    const failed = await createTextPoster({ url })('hello')
    assert.ok(!failed.ok)
    assert.match(failed.message, /^the receiver can’t be reached: /)
    assert.doesNotMatch(failed.message, /secret-key|127\.0\.0\.1/)
  }
})

test('while the receiver refuses, the pauses grow, and later causes are in the text that arrives', async (t) => {
  const { chat, pass, fail, notified, notices } = await setUpNotifier(t)
  chat.answer({ status: 500 })
  await fail()
  await pass(30)
  assert.deepEqual(
    notified.map(({ retryInMs }) => retryInMs),
    [30, 60, 120, 240, 480, 900].map((seconds) => seconds * 1000),
  )
  await fail()
  await fail({ code: 'person.retired', subject: '' })
  chat.answer({ status: 200 })
  await pass(10)
  const text = only(chat.texts)
  assert.match(
    text,
    new RegExp(`^- 2 deliveries need attention: the LMS has no course ${COURSE.replaceAll('+', '\\+')}`, 'm'),
  )
  assert.match(text, /^- 1 delivery needs attention: the address belongs to a retired account/m)
  assert.deepEqual(
    (await notices()).map(({ count, texts }) => [count, texts]),
    [
      [0, 1],
      [0, 1],
    ],
  )
  await fail({ code: 'lms.refused', subject: '' })
  await pass(1)
  assert.equal(chat.texts.length, 2, 'after a success there is no pause')
})

test('of several replicas one sends, and another one continues where it died', async (t) => {
  const bench = await setUpNotifier(t)
  const { chat, pass, fail } = bench
  const second = await bench.replica('replica-2')
  const other = bench.notifierOf(second)
  await fail(undefined, second)
  await pass(1, [other, bench.mine])
  assert.equal(chat.texts.length, 1)
  assert.deepEqual([bench.notified.length, other.notified.length], [1, 0])
  await fail()
  await fail({ code: 'person.retired', subject: '' })
  bench.leader.me = 'replica-2'
  await pass(10, [other])
  assert.equal(other.notified.length, 2)
  assert.match(chat.texts[1] ?? '', /^lernito-openedx: 1 delivery needs attention: the address belongs/)
  assert.match(chat.texts[2] ?? '', /^lernito-openedx: 1 more delivery needs attention: the LMS has no course/)
})

test('two replicas that both believe to have the right to send count each delivery once', async (t) => {
  const bench = await setUpNotifier(t)
  const { fail, clock, notices } = bench
  const other = bench.notifierOf(await bench.replica('replica-2'))
  for (let i = 0; i < 5; i++) await fail()
  clock.at += 30_000
  bench.chat.answer({ status: 500 })
  await bench.look()
  bench.leader.me = 'replica-2'
  await other.look()
  assert.equal(only(await notices()).count, 5)
})
