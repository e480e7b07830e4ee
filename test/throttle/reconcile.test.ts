import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { exchange } from '../harness.ts'
import { start, temporaryFolder } from '../service/process.ts'
import { sell, serveEnv, startLms, startServe } from '../service/serving.ts'

const CHECKED = 60
const SALES = 200
const MINUTE_MS = 60_000
const ENROLLING = '/api/enrollment/v1/'

/** Waits for what may take longer than `until` waits; the test has a time limit. */
async function when(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(250)
}

test('a service and reconcile stay within the LMS’s throttle together, with no 429, when both have much to do', {
  timeout: 300_000,
}, async (t) => {
  const lms = await startLms(t, { bulk: false, modify: false, throttle: 120 })
  const folder = temporaryFolder(t)
  const env = { LERNITO_LMS_CALLS_PER_MINUTE: '110', LERNITO_ANSWER_WITHIN_MS: '0' }
  const { url } = await startServe({ t, folder, lmsUrl: lms.url, env })
  const sellAll = (name: string, count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => sell({ url, email: `${name}${n}@example.com` })))
  const throttled = async () => (await lms.calls()).filter(({ path }) => path.startsWith(ENROLLING))
  const count = async () => (await throttled()).reduce((sum, one) => sum + one.count, 0)

  await sellAll('checked', CHECKED)
  await when(async () => (await lms.state()).allowances.length >= CHECKED)
  await when(async () => {
    const { text } = await exchange({ url: `${url}/metrics`, method: 'GET' })
    return /^lernito_call_budget_used_ratio 0$/m.test(text)
  })

  const made: { at: number; count: number }[] = []
  const watching = new AbortController()
  const before = await count()
  const watched = (async () => {
    for (let last = before; !watching.signal.aborted; await delay(100)) {
      const all = await count()
      if (all > last) made.push({ at: performance.now(), count: all - last })
      last = all
    }
  })()
  const settings = { ...serveEnv({ folder, lmsUrl: lms.url }), ...env }
  const reconcile = start({ t, args: ['reconcile'], env: settings })
  await when(async () => (await count()) > before) // the first call of reconcile
  const selling = sellAll('sold', SALES)
  const { code, stdout } = await reconcile.ended
  await delay(MINUTE_MS)
  watching.abort()
  await Promise.all([watched, selling])

  const within = (from: number): number =>
    made.filter(({ at }) => at >= from && at < from + MINUTE_MS).reduce((sum, one) => sum + one.count, 0)
  const most = Math.max(...made.map(({ at }) => within(at)))
  const refused = (await throttled()).filter(({ status }) => status === 429).reduce((sum, one) => sum + one.count, 0)
  process.stdout.write(`# a service and reconcile: ${most} calls in a minute at most, ${refused} refused\n`)
  assert.equal(code, 0)
  assert.match(stdout, /^deliveries checked: \d+/m)
  assert.ok(most <= 120, `${most} calls in a minute`)
  assert.ok(most >= 60, `${most} calls in a minute`)
  assert.equal(refused, 0)
})
