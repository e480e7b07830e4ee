import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { sign } from '../../src/shop/signature/signature.ts'
import { exchange, payload, SECRET } from '../harness.ts'
import { run } from '../service/process.ts'
import { serveEnv } from '../service/serving.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const PREVIOUS = 'the-secret-before-the-change'
const product = await startWithConsole({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS, LERNITO_REFUNDS: 'on' } })
after(() => product.stop())
const someone = await operator(product)
const read = async (): Promise<string> => readable(await someone.see('/setup'))
const sell = async (secret: string): Promise<void> => {
  const body = payload({ email: 'alice@example.com' })
  const headers = {
    'content-type': 'application/json',
    'x-lernito-signature': sign({ body, form: 'original', secret }),
  }
  assert.equal((await exchange({ url: product.webhook, headers, body })).status, 200)
}

test('shows the addresses for the shop, what is on, and who may sign in', async () => {
  const page = await someone.see('/setup')
  const text = readable(page)
  for (const path of ['webhook', 'status', 'refund']) assert.ok(text.includes(`${product.url}/api/lernito/${path}/`))
  assert.match(text, /Events Off\. LERNITO_EVENTS_URL turns them on/)
  assert.match(text, /Notifications Off\. LERNITO_NOTIFY_URL/)
  assert.ok(text.includes(`Staff of the LMS at ${product.lmsUrl}`))
  assert.ok(text.includes(`${product.console}/callback`))
  assert.match(text, /Signed lately Nothing came from the shop yet\. Secret lately Nothing came/)
})

test('shows how the shop signed lately, and with which secret, and never a secret', async () => {
  await sell(PREVIOUS)
  assert.match(await read(), /Secret lately The previous one, .* Change the secret in the shop/)
  await sell(SECRET)
  const page = await someone.see('/setup')
  assert.match(readable(page), /Signed lately sorted keys.* Secret lately The current one, .* remove LERNITO_WEBHOOK/)
  assert.ok(!page.text.includes(SECRET) && !page.text.includes(PREVIOUS))
})

test('shows what came of the last test sale', async () => {
  assert.doesNotMatch(await read(), /Last test sale/)
  const sold = await someone.send('/test-sale', {
    email: 'erin@example.com',
    courses: 'course-v1:edX+DemoX+Demo_Course',
    nonce: 'one',
  })
  assert.equal(sold.status, 303)
  const page = await someone.see('/setup')
  assert.match(readable(page), /Last test sale: .* UTC (Queued|Enrolled|Pre-enrolled)/)
  assert.ok(linksOf(page).includes(sold.location.replace('?done=sold', '')))
})

describe('the checks', () => {
  test('run in the service, name each problem with its cure, and stay on the page', async () => {
    assert.doesNotMatch(await read(), /All checks/)
    const ran = await someone.send('/setup/checks')
    assert.equal(ran.status, 200)
    const text = readable(ran)
    assert.match(text, /warnings: 2, passed: \d+, skipped: 4\. Checked/)
    assert.match(text, /LERNITO_LMS_CALLS_PER_MINUTE is 0, .* What to do: .* With Tutor: .* tutor config save/)
    assert.match(text, /public_url the shop sends webhooks to \S+ OK/)
    assert.ok(!ran.text.includes(SECRET) && !ran.text.includes('lernito-client-secret'))
    assert.match(await read(), /All checks/)
  })

  test('who asks during a run gets its results: there is one run at a time', async () => {
    await product.lms.forgetCalls()
    const [one, two] = await Promise.all([someone.send('/setup/checks'), someone.send('/setup/checks')])
    assert.deepEqual([one.status, two.status], [200, 200])
    const { count } = (await product.lms.calls()).find(({ path }) => path.includes('/api/user/v1/accounts')) ?? {}
    assert.equal(count, 1)
  })

  test('leave the lock of the SQLite file in place', async () => {
    await someone.send('/setup/checks')
    const env = serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl })
    assert.match((await run({ args: ['serve'], env })).stderr, /^Another lernito-openedx serves/)
  })

  test('work while the LMS is down, and say so', async (t) => {
    t.after(() => product.lms.noFaults())
    await product.lms.faults([{ status: 503 }])
    assert.match(
      readable(await someone.send('/setup/checks')),
      /failures: 1, .* The proxy in front of the LMS answers 503.* What to do: Start the LMS/,
    )
  })
})
