import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyUrl } from '../../queue/harness.ts'
import { until } from '../../service/process.ts'
import { startLms } from '../../service/serving.ts'
import { startChat } from './chat.ts'
import { sentBy, startNotifying, untilStored } from './serving.ts'

test('two replicas send one text for a cause, and after a SIGKILL of the sender the other one continues', async (t) => {
  const lms = await startLms(t)
  const chat = await startChat(t)
  const parts = { t, lmsUrl: lms.url, chatUrl: chat.url, databaseUrl: await emptyUrl(t) }
  const replicas = [await startNotifying(parts), await startNotifying(parts)]
  const [one, two] = replicas
  assert.ok(one && two)
  await Promise.all(replicas.map(({ fail }) => fail('course-v1:edX+First+2026')))
  await chat.received(/course-v1:edX\+First\+2026/)
  await untilStored(parts.databaseUrl) // a kill before that may send it again
  await until('the line of the sender', () => sentBy(one) + sentBy(two) > 0 || undefined)
  const sender = sentBy(one) > 0 ? one : two
  const other = sender === one ? two : one
  assert.equal(sentBy(other), 0)
  sender.child.kill('SIGKILL')
  await sender.ended
  await other.fail('course-v1:edX+Second+2026')
  await chat.received(/course-v1:edX\+Second\+2026/)
  const of = (course: string): number => chat.texts.filter((text) => text.includes(course)).length
  assert.deepEqual([of('First'), of('Second')], [1, 1])
})
