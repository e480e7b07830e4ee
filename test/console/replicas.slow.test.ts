import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onMariaDb } from '../mariadb.ts'
import { untilReady } from '../queue/replicas/serving.ts'
import { operator, startWithConsole } from './harness.ts'
import { createVisitor } from './visitor.ts'

const HOUR_MS = 60 * 60_000

await onMariaDb('a session is valid on every replica', (server) => {
  test('a session is valid on every replica, is renewed once for all of them, and ends on all of them', async () => {
    const { url } = await server.newDatabase()
    const clock = { offset: 0 }
    const now = (): number => Date.now() + clock.offset
    const first = await startWithConsole({ env: { LERNITO_DATABASE_URL: url }, now })
    await untilReady(first)
    const second = await startWithConsole({ env: { LERNITO_DATABASE_URL: url, LERNITO_LMS_URL: first.lmsUrl }, now })
    await untilReady(second)
    try {
      const someone = await operator(first, now)
      const [cookie = ''] = (someone.cookies().lernito_console ?? '').split(';')
      const onSecond = async () => (await createVisitor().get(`${second.console}/signature`, { cookie })).status
      assert.equal(await onSecond(), 200)

      clock.offset += HOUR_MS
      const asked = await Promise.all([someone.see('/signature'), onSecond(), someone.see('/signature'), onSecond()])
      assert.deepEqual(
        asked.map((one) => (typeof one === 'number' ? one : one.status)),
        [200, 200, 200, 200],
      )
      assert.equal((await someone.see('/signature')).status, 200)
      assert.equal(await onSecond(), 200)

      assert.equal((await someone.send('/sign-out')).status, 303)
      assert.equal(await onSecond(), 303)
    } finally {
      await second.stop()
      await first.stop()
    }
  })

  test('without its database the console answers 503 with the reason, and it works again when the database is back', async () => {
    const { url } = await server.newDatabase()
    const product = await startWithConsole({ env: { LERNITO_DATABASE_URL: url } })
    await untilReady(product)
    try {
      const someone = await operator(product)
      await server.stop()
      const seen = await someone.see('/deliveries')
      assert.equal(seen.status, 503)
      assert.match(seen.text, /The database is unavailable/)
      await server.start()
      await untilReady(product)
      assert.equal((await someone.see('/deliveries')).status, 200)
    } finally {
      await product.stop()
    }
  })
})
