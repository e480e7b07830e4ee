import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startProduct } from '../harness.ts'
import { startChat } from '../notify/chat.ts'
import { run } from '../service/process.ts'
import { serveEnv } from '../service/serving.ts'

test('notify test says what the receiver answered and never the address, and the audit has it', async (t) => {
  const chat = await startChat(t)
  const product = await startProduct()
  t.after(() => product.stop())
  const without = serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl })
  const env = { ...without, LERNITO_NOTIFY_URL: chat.url }
  const sent = await run({ args: ['notify', 'test'], env })
  assert.deepEqual([sent.code, sent.stdout, sent.stderr], [0, 'the receiver answered 200\n', ''])
  assert.deepEqual(chat.texts, ['lernito-openedx: this is a test notification. You need to do nothing.'])
  chat.answer({ status: 404 })
  const refused = await run({ args: ['notify', 'test'], env })
  assert.deepEqual([refused.code, refused.stdout, refused.stderr], [1, '', 'the receiver answered 404\n'])
  const away = await run({
    args: ['notify', 'test'],
    env: { ...env, LERNITO_NOTIFY_URL: 'http://127.0.0.1:1/hooks/key' },
  })
  assert.deepEqual([away.code, away.stdout], [1, ''])
  assert.match(away.stderr, /^the receiver can’t be reached: \S.*\n$/)
  assert.doesNotMatch(away.stderr, /127\.0\.0\.1|key/)
  assert.equal((await run({ args: ['notify'], env })).code, 2)
  const unset = await run({ args: ['notify', 'test'], env: without })
  assert.deepEqual(
    [unset.code, unset.stderr],
    [1, 'LERNITO_NOTIFY_URL is not set, so there are no notifications. Set it first.\n'],
  )
})
