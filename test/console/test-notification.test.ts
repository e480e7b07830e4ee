import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startChat } from '../operators/notify/chat.ts'
import { operator, readable, startWithConsole } from './harness.ts'

test('an operator sends a test notification, sees what the receiver answered, and the changes have it', async (t) => {
  const chat = await startChat(t)
  const product = await startWithConsole({ env: { LERNITO_NOTIFY_URL: chat.url } })
  t.after(() => product.stop())
  const someone = await operator(product)
  assert.match(await someone.read('/setup'), /Be told when a buyer needs you .* Send a test notification/)
  const sent = await someone.send('/test-notification')
  assert.equal(sent.status, 200)
  assert.match(readable(sent), /The receiver answered 200\./)
  assert.match(chat.texts[0] ?? '', /this is a test notification/)
  chat.answer({ status: 302, location: 'https://elsewhere.example/secret-key' })
  const failed = await someone.send('/test-notification')
  assert.match(readable(failed), /did not arrive: the receiver redirects \(302\)/)
  assert.doesNotMatch(failed.text, /secret-key/)
  assert.equal((await someone.send('/test-notification', { csrf: 'wrong' })).status, 403)
  assert.equal(chat.requests.length, 2)
  assert.match(await someone.read('/setup'), /Last test: .*: the receiver redirects \(302\)/)
  assert.match(await someone.read('/changes'), /Sent a test notification .* the receiver answered 200/)
})

test('without LERNITO_NOTIFY_URL there is no such button, and nothing can be sent', async (t) => {
  const product = await startWithConsole()
  t.after(() => product.stop())
  const someone = await operator(product)
  assert.doesNotMatch(await someone.read('/setup'), /test notification/)
  assert.equal((await someone.send('/test-notification')).status, 404)
})
