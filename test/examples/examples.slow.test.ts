import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { before, describe, test } from 'node:test'
import { SANDBOX_EVENTS_SECRET } from '../../src/cli/events.ts'
import { SANDBOX_SECRET } from '../../src/cli/sandbox.ts'
import { signStandardWebhook } from '../../src/shop/signature/published.ts'
import { verifyStandard } from '../../src/shop/signature/standard.ts'
import { startSandbox } from '../docs/running-sandbox.ts'
import { selfSigned } from '../doctor/examining.ts'
import { type Answered, control, DEMO, exchange } from '../harness.ts'
import { listening } from '../listening.ts'
import { NO_OPENSSL } from '../lms/certificates.ts'
import { freePort } from '../package/ports.ts'
import { cleanupOfFile, type Ended, ROOT, type Running, start, temporaryFolder, until } from '../service/process.ts'
import { buildGo, LANGUAGES, type Language } from './languages.ts'

const WHSEC = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const AT_ONCE = { 'retry-after': '0' }
/** Not every proxy writes its pages in UTF-8. */
const PAGE = Buffer.from('<p>Störung</p>', 'latin1')
const DELIVERY = /delivery=([0-9A-Z]{26})/

interface Message {
  readonly headers: Record<string, string>
  readonly body: string
}
interface Attempt extends Message {
  readonly path: string
  readonly atMs: number
}
/** An answer of the proxy in place of the service's; null: it cuts the connection. */
type Fault = { readonly status: number; readonly headers?: Record<string, string>; readonly text?: string } | null

const t = cleanupOfFile()

/** The first event of the service, with all of its headers. */
const realEvent = Promise.withResolvers<Message>()
/** What each sender has sent to the proxy, and what the proxy answers next, by the name of the language. */
const sent = new Map<string, Attempt[]>()
const faults = new Map<string, Fault[]>()

let place: { readonly lms: ReturnType<typeof control>; readonly proxy: string; readonly built: string }

before(async () => {
  const shop = await listening(
    t,
    createServer(async (request, response) => {
      realEvent.resolve(await messageOf(request))
      response.writeHead(204).end()
    }),
  )
  const args = ['--events', `http://${shop.host}/`]
  const sandbox = await startSandbox({ t, args, env: { LERNITO_REFUNDS: 'on' } })
  const lms = control(sandbox.lms)
  const proxy = await listening(t, createServer(proxied(sandbox.service)))
  const built = temporaryFolder(t)
  await buildGo(built)
  place = { lms, proxy: `http://${proxy.host}`, built }
})

async function messageOf(request: NodeJS.ReadableStream & { headers: NodeJS.Dict<string | string[]> }) {
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
  return { headers, body: await text(request) }
}

/** Headers without those of one connection. PHP waits for the end of a connection that it has asked to close. */
const ownless = <Value>(headers: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !['connection', 'keep-alive', 'host'].includes(name)))

/** A proxy between the senders and the service. The first part of a path is the name of the sender. */
const proxied = (service: string): Parameters<typeof createServer>[1] & object => {
  return async (request, response) => {
    const [, name = '', path = ''] = /^\/(\w+)(\/.*)$/.exec(request.url ?? '') ?? []
    const message = await messageOf(request)
    sent.set(name, [...(sent.get(name) ?? []), { ...message, path, atMs: Date.now() }])
    const fault = faults.get(name)?.shift()
    if (fault === null) return void request.socket.destroy()
    if (fault !== undefined) {
      const { status, headers, text = PAGE } = fault
      return void response.writeHead(status, headers).end(text)
    }
    const answered = await exchange({ url: service + path, headers: ownless(message.headers), body: message.body })
    response.writeHead(answered.status, ownless(answered.headers)).end(answered.text)
  }
}

/** Runs a program against the proxy, until it ends. */
function runner(name: string, command: readonly [string, ...string[]]) {
  const queue = join(temporaryFolder(t), 'queue')
  const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
    start({ t, command, args, env: { LERNITO_URL: `${place.proxy}/${name}`, LERNITO_QUEUE: queue, ...env } }).ended
  return { run, queue, queued: () => readdirSync(queue) }
}

/** Lets every program find the disk full when it stores `NAME.json` in the folder. */
function fill(folder: string, name: string): void {
  for (const file of [`${name}.new`, `${name}.json.new`]) symlinkSync('/dev/full', join(folder, file))
}

const deliveryIn = ({ stdout }: Ended): string => DELIVERY.exec(stdout.trimEnd().split('\n').at(-1) ?? '')?.[1] ?? ''

function isSignedWith(secret: string, { headers, body }: Message): boolean {
  const verified = verifyStandard({
    id: headers['webhook-id'],
    timestamp: headers['webhook-timestamp'],
    signature: headers['webhook-signature'] ?? '',
    body,
    secrets: [secret],
    now: Date.now(),
  })
  return typeof verified !== 'string'
}

const isEnrolled = async (address: string): Promise<boolean> => {
  const { enrollments } = await place.lms.state()
  return enrollments.some(({ email, course, active }) => email === address && course === DEMO && active)
}

/** Each sender has a buyer of its own: the tests of the languages run at the same time. */
const BUYERS: Readonly<Record<string, string>> = {
  python: 'alice@example.com',
  php: 'frank@example.com',
  node: 'grace@example.com',
  go: 'jose@example.com',
}

describe('the senders', { concurrency: true }, () => {
  for (const language of LANGUAGES) {
    test(language.name, { skip: language.missing }, () => tryOut(language))
    test(`${language.name}: to a server without a trusted certificate it sends nothing, and says why`, {
      skip: language.missing || NO_OPENSSL,
    }, async (context) => {
      const env = {
        LERNITO_URL: `https://${await selfSigned(context)}`,
        LERNITO_QUEUE: join(temporaryFolder(t), 'queue'),
      }
      const sale = ['sell', 'tls', 'alice@example.com', 'A', 'B', DEMO]
      const { child, stdout, ended } = start({ t, command: language.sender(place.built), args: sale, env })
      const line = await until('the answer', () => /^order-tls: .*$/m.exec(stdout())?.[0])
      child.kill()
      await ended
      assert.match(line, /^order-tls: 0 .*certificate/)
    })
  }
})

async function tryOut({ name, sender }: Language): Promise<void> {
  const { run, queue, queued } = runner(name, sender(place.built))
  const buyer = BUYERS[name] ?? ''
  const sale = ['sell', name, buyer, 'Zoë', 'Ng', DEMO]

  // No answer, and every status after which nobody knows: it sends the same bytes again, with a new time.
  const statuses = [200, 202, 403, 408, 429, 500, 501, 502, 503, 504, 520, 522, 524]
  const pages = statuses.map((status) => ({ status, headers: AT_ONCE }))
  const texts = ['', 'null', '[true]', '"success"', '{"success":"true"}', '{"success":false}']
  faults.set(name, [null, ...pages, ...texts.map((text) => ({ status: 200, headers: AT_ONCE, text }))])
  const sold = await run(sale)
  assert.equal(sold.code, 0, sold.stderr)
  const attempts = sent.get(name) ?? []
  assert.equal(attempts.length, 1 + statuses.length + texts.length + 1)
  assert.deepEqual(
    [...new Set(attempts.map(({ path, body, headers }) => `${path} ${headers['webhook-id']} ${body}`))],
    [`/api/lernito/webhook/ order-${name} ${attempts[0]?.body}`],
  )
  assert.equal(JSON.parse(attempts[0]?.body ?? '').name, 'Zoë')
  assert.ok(attempts.every((attempt) => isSignedWith(SANDBOX_SECRET, attempt)))
  const [first, second] = attempts.map(({ atMs, headers }) => ({
    atMs,
    signedAt: Number(headers['webhook-timestamp']),
  }))
  assert.ok(first && second && second.atMs - first.atMs >= 29_000 && second.signedAt - first.signedAt >= 29)
  assert.ok(sold.stdout.includes('"User enrollment status verified for 1 course(s)"'), sold.stdout)
  assert.ok(await isEnrolled(buyer))
  assert.deepEqual(queued(), [])

  const delivery = deliveryIn(sold)
  assert.match(delivery, /^[0-9A-Z]{26}$/)
  assert.equal(deliveryIn(await run(sale)), delivery, 'a repeat')

  const { stdout: status } = await run(['status', delivery, 'unknown'])
  const { deliveries, unknown } = JSON.parse(status)
  assert.deepEqual(
    [deliveries[0].id, deliveries[0].state, deliveries[0].webhookId, unknown],
    [delivery, 'enrolled', `order-${name}`, ['unknown']],
  )

  // A refund that was refused was not accepted, so the corrected one takes its place, and is repeated until it is done.
  const wrong = await run(['refund', name, `wrong.${name}@example.com`, 'Zoë', 'Ng', DEMO])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stdout, /: 404 .*Nothing was withdrawn/)
  const late = { status: 500, headers: { 'x-lernito-delivery': delivery } }
  faults.set(name, [late])
  assert.equal((await run(['refund', name, buyer, 'Zoë', 'Ng', DEMO])).code, 1)
  const accepted = { status: 202, headers: AT_ONCE, text: '{"success":true,"message":"accepted"}' }
  faults.set(name, [{ status: 200, headers: AT_ONCE }, accepted])
  const refund = await run(['refund', name, buyer, 'Zoë', 'Ng', DEMO])
  assert.equal(refund.code, 0, refund.stderr)
  assert.ok(refund.stdout.includes('"Withdrawal verified for 1 course(s)"'), refund.stdout)
  const refunded = sent.get(name)?.at(-1)
  assert.match(refunded?.headers['webhook-id'] ?? '', new RegExp(`^refund-${name}-[0-9a-f]{8}$`))
  const { order, sale: ofSale } = JSON.parse(refunded?.body ?? '{}')
  assert.deepEqual([order, ofSale], [name, `order-${name}`])
  assert.equal(await isEnrolled(buyer), false)
  assert.deepEqual(queued(), [])

  // A redirect is not followed, and the sale stays in the queue until it is sent again.
  faults.set(name, [{ status: 307, headers: { location: `/${name}/elsewhere` } }])
  const moved = await run(['sell', `${name}-2`, `new.${name}@example.com`, 'A', 'B', DEMO])
  assert.equal(moved.code, 1)
  assert.equal(sent.get(name)?.at(-1)?.path, '/api/lernito/webhook/')
  assert.deepEqual(queued(), [`order-${name}-2.json`])
  // Another process may deliver a request after this one has listed the queue.
  const delivered = join(queue, 'order-delivered.json')
  symlinkSync('gone', delivered)
  const resumed = await run(['resume'])
  assert.equal(resumed.code, 0, resumed.stderr)
  rmSync(delivered)
  assert.deepEqual(queued(), [])

  const refused = await run(['sell', `${name}-3`, buyer, 'A', 'B', 'course-v1:No+Such+Course'])
  assert.equal(refused.code, 1)
  assert.ok(refused.stdout.includes('400 {"success":false,"message":"Course course-v1:No+Such+Course does not exist"}'))
  assert.deepEqual(queued(), [`order-${name}-3.json`])

  // The id names the first body, so a corrected sale is not sent under it.
  const requests = sent.get(name)?.length
  const corrected = await run(['sell', `${name}-3`, buyer, 'A', 'B', DEMO])
  assert.equal(corrected.code, 1)
  assert.equal(corrected.stdout, '')
  assert.match(
    corrected.stderr,
    new RegExp(
      `^order-${name}-3 is in the queue with another body: use another number, and remove \\S+/order-${name}-3\\.json if it is wrong\n$`,
    ),
  )
  assert.equal(sent.get(name)?.length, requests)
  assert.equal((await run(['resume'])).code, 1)
  assert.equal(JSON.parse(sent.get(name)?.at(-1)?.body ?? '').courseIds[0], 'course-v1:No+Such+Course')

  // By its JSON or its delivery, the shop knows an answer of the service.
  faults.set(name, [{ status: 403, text: '{"success":false,"message":"no"}' }])
  assert.equal((await run(['sell', `${name}-5`, buyer, 'A', 'B', DEMO])).code, 1)
  for (const fault of [accepted, { ...late, status: 200 }, { ...late, status: 202 }]) {
    faults.set(name, [fault])
    assert.equal((await run(['sell', `${name}-5`, buyer, 'A', 'B', DEMO])).code, 0)
  }
  assert.deepEqual(queued(), [`order-${name}-3.json`])

  // A sale without a delivery is not accepted by a 500 of the proxy, and one of the service is: see the outage below.
  faults.set(name, [{ status: 400 }])
  const whsec = await run(['sell', `${name}-4`, buyer, 'A', 'B', DEMO], { LERNITO_WEBHOOK_SECRET: WHSEC })
  assert.equal(whsec.code, 1)
  assert.ok(isSignedWith(WHSEC, sent.get(name)?.at(-1) ?? { headers: {}, body: '' }))

  // What can't be stored is not sent, and leaves nothing that would stop the others.
  fill(queue, `order-${name}-6`)
  const before = sent.get(name)?.length
  assert.equal((await run(['sell', `${name}-6`, buyer, 'A', 'B', DEMO])).code, 1)
  assert.equal(sent.get(name)?.length, before)
  assert.ok(!queued().includes(`order-${name}-6.json`))

  assert.equal((await run(['sell', '../x', buyer, 'A', 'B', DEMO])).code, 1)
  const { code, stderr } = await run([])
  assert.equal(code, 1)
  assert.match(stderr, /sell +ORDER EMAIL NAME FAMILY COURSE/)
}

test('a sale during an outage is accepted with 500, and its status becomes enrolled', async () => {
  const senders = LANGUAGES.filter(({ missing }) => missing === false).map(({ name, sender }) =>
    runner(name, sender(place.built)),
  )
  await place.lms.faults([{ status: 503 }])
  const deliveries: string[] = []
  for (const [index, { run, queued }] of senders.entries()) {
    const sold = await run(['sell', `outage-${index}`, `outage.${index}@example.com`, 'A', 'B', DEMO])
    assert.equal(sold.code, 0, sold.stderr)
    assert.match(sold.stdout, /: 500 .*"Internal server error"/)
    assert.deepEqual(queued(), [])
    deliveries.push(deliveryIn(sold))
  }
  await place.lms.noFaults()
  const [one] = senders
  await until('the result', async () => {
    const { stdout } = (await one?.run(['status', ...deliveries])) ?? { stdout: '' }
    const states: string[] = JSON.parse(stdout).deliveries.map(({ state }: { state: string }) => state)
    return states.every((state) => state === 'pre_enrolled') || undefined
  })
})

test('curl sells with each kind of secret', {
  skip: process.env.CI ? false : !hasCurl() && 'no curl or openssl',
}, async () => {
  const { run } = runner('curl', ['sh', join(ROOT, 'examples/curl/sell.sh')])
  const { stdout, stderr } = await run(['1001'])
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r?\n/, stderr)
  assert.ok(stdout.endsWith('{"success":true,"message":"User enrollment status verified for 1 course(s)"}\n'), stdout)
  await run(['1001'], { LERNITO_WEBHOOK_SECRET: WHSEC })
  const [plain, whsec] = sent.get('curl') ?? []
  assert.ok(plain && isSignedWith(SANDBOX_SECRET, plain))
  assert.ok(whsec && isSignedWith(WHSEC, whsec))
})

function hasCurl(): boolean {
  try {
    for (const [program, option] of Object.entries({ curl: '--version', openssl: 'version' }))
      execFileSync(program, [option], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The event with other contents, or signed with another secret or at another time. */
function resigned(
  event: Message,
  { id = event.headers['webhook-id'] ?? '', body = event.body, secret = SANDBOX_EVENTS_SECRET, ageS = 0 },
): Message {
  const signed = signStandardWebhook({ id, body, secret, now: Date.now() - ageS * 1000 })
  const { 'content-length': _, ...headers } = event.headers
  return { body, headers: { ...headers, ...signed } }
}

describe('the receivers', { concurrency: true }, () => {
  for (const { name, missing, receiver } of LANGUAGES) {
    test(name, { skip: missing }, async () => {
      const event = await theEvent()
      const states = join(temporaryFolder(t), 'states')
      const port = await freePort()
      const command = receiver(place.built, port)
      const begin = (env: Record<string, string> = {}): Running =>
        start({ t, command, args: [], env: { PORT: String(port), LERNITO_STATES: states, ...env } })
      const post = (message: Message): Promise<Answered> => exchange({ url: `http://127.0.0.1:${port}/`, ...message })
      const posted = async (message: Message): Promise<number> => (await post(message)).status
      const { child, stdout, ended } = begin()
      const printed = (): string[] => stdout().trimEnd().split('\n')

      const { type, sequence, data } = JSON.parse(event.body)
      const other = (fields: object): string => JSON.stringify({ ...JSON.parse(event.body), ...fields })
      const line = `${type} ${data.id} ${data.state}`
      assert.equal(await until('the start', () => posted(event).catch(() => undefined)), 204)
      await until('its line', () => printed().includes(line) || undefined)

      const wrong: Readonly<Record<string, Message>> = {
        'another body': { ...event, body: event.body.replace('enrolled', 'rejected') },
        'another id': { ...event, headers: { ...event.headers, 'webhook-id': 'msg_1' } },
        'another secret': resigned(event, { secret: WHSEC }),
        'six minutes old': resigned(event, { ageS: 360 }),
        'six minutes ahead': resigned(event, { ageS: -360 }),
        'no timestamp': { ...event, headers: { ...event.headers, 'webhook-timestamp': '' } },
        'no signature': { ...event, headers: { ...event.headers, 'webhook-signature': '' } },
      }
      for (const [what, message] of Object.entries(wrong)) assert.equal(await posted(message), 401, what)

      // Known, late, of a type from the future: accepted, so that they don't come again, and otherwise ignored.
      assert.equal(await posted(event), 204)
      assert.equal(await posted(resigned(event, { id: 'late', body: other({ sequence: sequence - 1 }) })), 204)
      assert.equal(await posted(resigned(event, { id: 'new', body: '{"type":"shop.unknown"}' })), 204)
      const course = {
        type: 'course.changed',
        data: { id: DEMO, name: null, sellable: true, reason: null, changes: [] },
      }
      assert.equal(await posted(resigned(event, { id: 'course', body: other(course) })), 204)

      // What can't be stored is not accepted, so that it comes again.
      fill(states, 'FULL')
      const unstored = resigned(event, { id: 'full', body: other({ data: { ...data, id: 'FULL' } }) })
      const answered = await posted(unstored).catch(() => 'no answer')
      assert.ok(answered === 500 || answered === 'no answer', `${answered}`)

      const withdrawn = { type: 'delivery.withdrawn', sequence: sequence + 3, data: { ...data, state: 'withdrawn' } }
      const later = resigned(event, { id: 'later', body: other(withdrawn) })
      const rotated = `v1,${Buffer.alloc(32).toString('base64')} ${later.headers['webhook-signature']}`
      assert.equal(await posted({ ...later, headers: { ...later.headers, 'webhook-signature': rotated } }), 204)
      const last = `delivery.withdrawn ${data.id} withdrawn`
      await until('the last line', () => printed().includes(last) || undefined)
      assert.deepEqual(printed(), [line, last])
      assert.equal(JSON.parse(readFileSync(join(states, `${data.id}.json`), 'utf8')).sequence, sequence + 3)

      // It remembers what it has after a restart. While the secret is changed, it accepts both.
      child.kill('SIGKILL')
      await ended
      const restarted = begin({ LERNITO_EVENTS_SECRET: `${WHSEC}  ${SANDBOX_EVENTS_SECRET} ` })
      assert.equal(await until('the restart', () => posted(later).catch(() => undefined)), 204)
      assert.equal(await posted(event), 204)
      assert.equal(await posted(resigned(event, { secret: WHSEC })), 204)
      const unknown = `whsec_${Buffer.alloc(32, 8).toString('base64')}`
      assert.equal(await posted(resigned(event, { secret: unknown })), 401)
      const unsigned = resigned(event, { body: other({ sequence: sequence + 9 }), secret: '' })
      assert.equal(await posted(unsigned), 401, 'a space too many is no secret that everybody has')
      assert.equal(restarted.stdout(), '')

      restarted.child.kill('SIGKILL')
      await restarted.ended
      const careless = begin({ LERNITO_EVENTS_SECRET: 'whsec_' })
      const refused = await until('a refusal', () =>
        Promise.race([careless.ended.then(({ code }) => code), posted(unsigned).catch(() => undefined)]),
      )
      assert.ok(refused === 1 || refused === 500, `an empty secret is one that everybody has: ${refused}`)
    })
  }
})

/** An event of the service for a sale of its own. */
async function theEvent(): Promise<Message> {
  const { run } = runner('event', [process.execPath, join(ROOT, 'examples/node/sender.mjs')])
  await run(['sell', 'event', 'heidi@example.com', 'A', 'B', DEMO])
  return realEvent.promise
}

test('gofmt has nothing to change', { skip: LANGUAGES.find(({ name }) => name === 'go')?.missing }, () => {
  assert.equal(execFileSync('gofmt', ['-l', join(ROOT, 'examples/go')], { encoding: 'utf8' }), '')
})
