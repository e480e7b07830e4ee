import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../service/process.ts'
import { startLms } from '../../service/serving.ts'
import { startChat } from './chat.ts'
import { startNotifying, untilStored } from './serving.ts'

const FIRST = 'course-v1:edX+First+2026'

test('over a SIGKILL and a restart, a text that the receiver refused is sent, and one that it accepted is not repeated', async (t) => {
  const lms = await startLms(t)
  const chat = await startChat(t)
  const databaseUrl = `sqlite:${join(temporaryFolder(t), 'lernito.db')}`
  const parts = { t, lmsUrl: lms.url, chatUrl: chat.url, databaseUrl }
  const before = await startNotifying(parts)
  await before.fail(FIRST)
  await chat.received(/course-v1:edX\+First/)
  await untilStored(databaseUrl) // a kill before that may send it again
  chat.answer({ status: 500 })
  await before.fail('course-v1:edX+Second+2026')
  const failed = await before.logged(({ msg }) => msg === 'notification failed; the service sends it again')
  assert.deepEqual([failed.level, failed.status, failed.causes, failed.retryInMs], ['warn', 500, 1, 30_000])
  const metrics = await (await fetch(`${before.url}/metrics`)).text()
  assert.match(metrics, /^lernito_notifications_total\{status="2xx"\} 1$/m)
  assert.match(metrics, /^lernito_notifications_total\{status="5xx"\} 1$/m)
  assert.ok(!before.stdout().includes('secret-key'))
  before.child.kill('SIGKILL')
  await before.ended
  chat.answer({ status: 200 })
  await startNotifying(parts)
  await chat.received(/course-v1:edX\+Second/)
  assert.equal(chat.texts.filter((text) => text.includes(FIRST)).length, 1)
})
