import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { temporaryFolder, until } from '../service/process.ts'
import { sell, startLms, startServe } from '../service/serving.ts'
import { startReceiver } from '../shop/events/receiver.ts'
import { compareWithTimelines, eventsEnv, untilOutboxEmpty } from './events-record.ts'
import { killBeforeCommit } from './lock-wait.ts'

async function setUp(t: TestContext) {
  const folder = temporaryFolder(t)
  const file = join(folder, 'lernito.db')
  const lms = await startLms(t)
  const receiver = await startReceiver(t)
  const env = { LERNITO_LMS_CALLS_PER_MINUTE: '0', ...eventsEnv(receiver) }
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env })
  const recover = async (name: string) => {
    await serve()
    await untilOutboxEmpty(`sqlite:${file}`)
    return compareWithTimelines({ url: `sqlite:${file}`, receiver, name })
  }
  return { file, receiver, serve, recover }
}

describe('SIGKILL at each step of an event', { concurrency: 2, timeout: 120_000 }, () => {
  test('before the change commits: no event is sent before the change is made', async (t) => {
    const { file, receiver, serve, recover } = await setUp(t)
    const first = await serve()
    const begin = () => sell({ url: first.url, email: 'alice@example.com' })
    await killBeforeCommit(t, { file, service: first, begin })
    assert.deepEqual(receiver.got, [])
    assert.equal((await recover('before the change commits')).committed, 0)
  })

  test('after the commit, while the endpoint is down: the next start sends it', async (t) => {
    const { receiver, serve, recover } = await setUp(t)
    receiver.answer((_got, response) => response.destroy())
    const first = await serve()
    await sell({ url: first.url, email: 'alice@example.com' })
    await until('the attempt', () => receiver.got[0])
    first.child.kill('SIGKILL')
    await first.ended
    receiver.answer(null)
    assert.equal((await recover('while the endpoint is down')).committed, 1)
  })

  test('during the request, before the endpoint answers: the next start sends it again under the same id', async (t) => {
    const { receiver, serve, recover } = await setUp(t)
    receiver.answer(() => {})
    const first = await serve()
    await sell({ url: first.url, email: 'alice@example.com' })
    await until('the attempt', () => receiver.got[0])
    first.child.kill('SIGKILL')
    await first.ended
    receiver.answer(null)
    assert.deepEqual(await recover('during the request'), { committed: 1, repeated: 1 })
  })

  test('after the endpoint accepted it, before the row is deleted: the next start sends it again', async (t) => {
    const { file, receiver, serve, recover } = await setUp(t)
    const arrived = Promise.withResolvers<() => void>()
    receiver.answer((_got, response) => arrived.resolve(() => void response.writeHead(204).end()))
    const first = await serve()
    await sell({ url: first.url, email: 'alice@example.com' })
    const answer = await arrived.promise
    await killBeforeCommit(t, { file, service: first, begin: answer })
    receiver.answer(null)
    assert.deepEqual(await recover('before the row is deleted'), { committed: 1, repeated: 1 })
  })
})
