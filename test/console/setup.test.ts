import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { exchange, payload, SECRET, signed } from '../harness.ts'
import { run, until } from '../service/process.ts'
import { serveEnv } from '../service/serving.ts'
import { decode, linksOf, operator, readable, startWithConsole } from './harness.ts'

const PREVIOUS = 'the-secret-before-the-change'
const product = await startWithConsole({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS, LERNITO_REFUNDS: 'on' } })
after(() => product.stop())
const someone = await operator(product)
const read = async (): Promise<string> => await someone.read('/setup')
const sell = async (secret: string): Promise<void> => {
  const body = payload({ email: 'alice@example.com' })
  assert.equal((await exchange({ url: product.webhook, headers: signed(body, secret), body })).status, 200)
}

test('begins with six steps: what is done is ticked, and the first that is not is the next one', async () => {
  const page = await someone.see('/setup')
  const text = readable(page)
  const titles = [...page.text.matchAll(/class="step (done|now|)"[\s\S]*?<h2>([^<]*?) </g)].map(([, kind, title]) => [
    title,
    kind,
  ])
  assert.deepEqual(titles, [
    ['Connect the LMS', 'now'],
    ['Let operators in', 'done'],
    ['Connect the shop', ''],
    ['Make a test sale', ''],
    ['Send results to the shop', ''],
    ['Be told when a buyer needs you', ''],
  ])
  assert.match(text, /1 of 6 done\./)
  for (const path of ['webhook', 'status', 'refund']) assert.ok(text.includes(`${product.url}/api/lernito/${path}/`))
  for (const name of ['EVENTS', 'NOTIFY']) assert.ok(text.includes(`LERNITO_${name}_URL=https://`))
  assert.ok(text.includes(`Everybody who is staff of ${product.lmsUrl} can sign in.`))
  assert.ok(text.includes(`${product.console}/callback`))
  assert.match(text, /Waiting for the first signed webhook… .* Or send one by hand/)
})

test('a wrong signature shows while the shop is connected, with the way to its cause', async () => {
  const headers = { 'content-type': 'application/json', 'x-lernito-signature': 'ab'.repeat(32) }
  assert.equal((await exchange({ url: product.webhook, headers, body: '{}' })).status, 401)
  const page = await someone.see('/setup')
  assert.match(readable(page), /1 refused .* from 127\.0\.0\.1 : the signature does not match\. Find the cause/)
  assert.ok(linksOf(page).includes('/lernito/console/refused'))
  assert.match(page.text, /id="connect-shop" class="step (now)?"[\s\S]*hx-target="#connect-shop"/)
})

test('the first signed webhook ticks the step, ends its updates and says how the shop signed, with which secret', async () => {
  await sell(PREVIOUS)
  const page = await someone.see('/setup')
  assert.match(page.text, /id="connect-shop" class="step done"/)
  assert.doesNotMatch(page.text, /hx-target="#connect-shop"|1 refused/)
  assert.match(
    readable(page),
    /Last signature: signed \(original form\).* Secret in use: the previous one, .* Change the secret in the shop/,
  )
  await sell(SECRET)
  assert.match(await read(), /Secret in use: the current one, .* remove LERNITO_WEBHOOK/)
})

test('no page shows the secret, and the command that sends a sale by hand is accepted', async () => {
  const first = await startWithConsole()
  after(() => first.stop())
  const page = await (await operator(first)).see('/setup')
  assert.ok(!page.text.includes(SECRET) && !page.text.includes(PREVIOUS))
  const [, shown = ''] = /<pre id="copy-command"[^>]*>([\s\S]*?)<\/pre>/.exec(page.text) ?? []
  const { stdout } = await promisify(execFile)('sh', ['-c', decode(shown).replace('THE-SECRET', SECRET)])
  assert.match(stdout, /200 OK[\s\S]*"success":true/)
})

test('the secret for the events is a command that prints a setting which the service accepts', async () => {
  const [, shown = ''] = /<code id="copy-events-secret">([^<]*)</.exec((await someone.see('/setup')).text) ?? []
  const { stdout } = await promisify(execFile)('sh', ['-c', decode(shown)])
  assert.match(stdout, /^LERNITO_EVENTS_SECRET=whsec_[\w+/]{43}=\n$/)
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
  assert.match(readable(page), /Last test sale: .* UTC (Queued|Enrolled|Waiting for buyer)/)
  assert.ok(linksOf(page).includes(sold.location.replace('?done=sold', '')))
})

test('a test sale that was withdrawn afterwards, as the page asks, stays done', async () => {
  const isDone = async () => /id="test-sale" class="step done"/.test((await someone.see('/setup')).text)
  await until('the test sale', async () => (await isDone()) || undefined)
  const path = linksOf(await someone.see('/setup')).find((link) => /\/deliveries\/\w{26}$/.test(link)) ?? ''
  await someone.send(`${path}/withdraw`, { course: 'course-v1:edX+DemoX+Demo_Course' })
  await someone.readUntil('/setup', /Last test sale: .* UTC Withdrawn/)
  assert.ok(await isDone())
})

describe('the checks', () => {
  const check = async () => {
    const { status, location } = await someone.send('/setup/checks')
    assert.deepEqual([status, location], [303, '/lernito/console/setup'])
    return someone.see('/setup')
  }

  test('run in the service, name each problem with its cure, and stay on the page', async () => {
    assert.doesNotMatch(await read(), /All checks/)
    const ran = await check()
    const text = readable(ran)
    assert.match(text, /0 problems, 2 warnings, \d+ fine, 5 skipped\. Checked/)
    assert.match(text, /LERNITO_LMS_CALLS_PER_MINUTE is 0, .* What to do: .* With Tutor: .* tutor config save/)
    assert.match(text, /public_url the shop sends webhooks to \S+ Fine/)
    assert.ok(!ran.text.includes(SECRET) && !ran.text.includes('lernito-client-secret'))
    const asked = { 'hx-request': 'true' }
    const part = await someone.post(`${product.console}/setup/checks`, { csrf: someone.csrf }, asked)
    assert.match(readable(part), /All checks/, 'what the script asks for is answered at once')
  })

  test('who asks during a run gets its results: there is one run at a time', async () => {
    await product.lms.forgetCalls()
    await Promise.all([check(), check()])
    const { count } = (await product.lms.calls()).find(({ path }) => path.includes('/api/user/v1/accounts')) ?? {}
    assert.equal(count, 1)
  })

  test('leave the lock of the SQLite file in place', async () => {
    await check()
    const env = serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl })
    assert.match((await run({ args: ['serve'], env })).stderr, /^Another lernito-openedx is already running/)
  })

  test('work while the LMS is down, and say so', async (t) => {
    t.after(() => product.lms.noFaults())
    await product.lms.faults([{ status: 503 }])
    assert.match(
      readable(await check()),
      /1 problem, .* The proxy in front of the LMS answers 503.* What to do: Start the LMS/,
    )
  })
})
