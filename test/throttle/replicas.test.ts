import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { temporaryFolder } from '../service/process.ts'
import { BULK, sell, startLms, startServe } from '../service/serving.ts'

const THROTTLED = [BULK, '/api/enrollment/v1/enrollment', '/api/enrollment/v1/enrollment_allowed/']
const SALES = 400
const MINUTE_MS = 60_000

test('three replicas stay within the LMS’s throttle in every minute, even if one is killed and another joins', {
  timeout: 240_000,
  skip: NO_MARIADB,
}, async (t) => {
  const mariadb = await startMariaDb()
  t.after(mariadb.remove)
  const { url } = await mariadb.newDatabase()
  const lms = await startLms(t, { bulk: false, modify: false })
  const folder = temporaryFolder(t)
  const env = { LERNITO_DATABASE_URL: url, LERNITO_LMS_CALLS_PER_MINUTE: '110', LERNITO_ANSWER_WITHIN_MS: '0' }
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env })

  const made: { at: number; count: number }[] = []
  const watching = new AbortController()
  const watched = (async () => {
    for (let before = 0; !watching.signal.aborted; await delay(100)) {
      const calls = (await lms.calls()).filter(({ path }) => THROTTLED.some((one) => path.startsWith(one)))
      const all = calls.reduce((sum, { count }) => sum + count, 0)
      if (all > before) made.push({ at: performance.now(), count: all - before })
      before = all
    }
  })()

  const replicas = await Promise.all([serve(), serve(), serve()])
  const selling = Array.from({ length: SALES }, (_, i) =>
    sell({ url: replicas[i % 3]?.url ?? '', email: `buyer${i}@example.com` }),
  )
  await Promise.all(selling)
  await delay(MINUTE_MS)
  replicas[0]?.child.kill('SIGKILL')
  await serve()
  await delay(MINUTE_MS)
  watching.abort()
  await watched

  const within = (from: number): number =>
    made.filter(({ at }) => at >= from && at < from + MINUTE_MS).reduce((sum, { count }) => sum + count, 0)
  const most = Math.max(...made.map(({ at }) => within(at)))
  const first = within(made[0]?.at ?? 0)
  const last = within((made.at(-1)?.at ?? 0) - MINUTE_MS)
  process.stdout.write(`# three replicas: ${first} calls in the first minute, ${most} at most, ${last} in the last\n`)
  assert.ok(most <= 120, `${most} calls in a minute`)
  assert.ok(first >= 60 && last >= 60, `${first} and ${last} calls`)
})
