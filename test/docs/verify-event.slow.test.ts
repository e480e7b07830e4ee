import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SANDBOX_EVENTS_SECRET } from '../../src/cli/events.ts'
import { signStandard } from '../../src/shop/signature/standard.ts'
import { exchange, startProduct } from '../harness.ts'
import { listening } from '../listening.ts'
import { freePort } from '../package/ports.ts'
import { has } from '../package/tools.ts'
import { start, temporaryFolder, until } from '../service/process.ts'
import { codeBlocks, readDocument, section } from './documents.ts'

const LANGUAGES = [
  { name: 'Python', block: 'python', program: 'python3', file: 'receive.py' },
  { name: 'PHP', block: 'php', program: 'php', file: 'receive.php' },
  { name: 'JavaScript', block: 'js', program: process.execPath, file: 'receive.mjs' },
] as const

const guide = section(readDocument('docs/reference/sending.md'), '## Verify an event')
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`

interface Request {
  readonly headers: Record<string, string>
  readonly body: string
}

/** An event as the service posts it, with all of its headers. */
async function realEvent(t: TestContext): Promise<Request> {
  const arrived = Promise.withResolvers<Request>()
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString('utf8')
    const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)])
    arrived.resolve({ headers: Object.fromEntries(headers), body })
    response.writeHead(204).end()
  })
  const { host } = await listening(t, server)
  const env = { LERNITO_EVENTS_URL: `http://${host}/`, LERNITO_EVENTS_SECRET: SANDBOX_EVENTS_SECRET }
  const product = await startProduct({ env })
  t.after(() => product.stop())
  assert.equal((await product.sell({ email: 'alice@example.com' })).status, 200)
  return arrived.promise
}

/** The event with another signature. */
function resigned({ headers, body }: Request, { secret, ageS = 0 }: { secret: string; ageS?: number }): Request {
  const id = headers['webhook-id'] ?? ''
  const timestamp = Math.floor(Date.now() / 1000) - ageS
  const signature = signStandard({ id, timestamp, body, secret })
  return { body, headers: { ...headers, 'webhook-timestamp': String(timestamp), 'webhook-signature': signature } }
}

/** What the programs must refuse: each differs from the event in one thing. */
const wrong = (event: Request): readonly (readonly [string, Request])[] => [
  ['another body', { ...event, body: event.body.replace('enrolled', 'rejected') }],
  ['another id', { ...event, headers: { ...event.headers, 'webhook-id': 'msg_1' } }],
  ['another secret', resigned(event, { secret: OTHER_SECRET })],
  ['six minutes old', resigned(event, { secret: SANDBOX_EVENTS_SECRET, ageS: 360 })],
  ['no timestamp', { ...event, headers: { ...event.headers, 'webhook-timestamp': '' } }],
  ['no signature', { ...event, headers: { ...event.headers, 'webhook-signature': '' } }],
]

test('the programs accept a real event, and nothing that differs from it', { timeout: 60_000 }, async (t) => {
  const event = await realEvent(t)
  const { type, data } = JSON.parse(event.body)
  const expected = `${event.headers['webhook-id']} ${type} ${data.id}`
  assert.equal(type, 'delivery.enrolled')
  for (const { name, block, program, file } of LANGUAGES) {
    const skip = has(program) || process.env.CI ? false : `no ${program} on this machine`
    await t.test(name, { skip }, async (t) => {
      const port = await freePort()
      const folder = temporaryFolder(t)
      writeFileSync(join(folder, file), codeBlocks(guide, block)[0] ?? '')
      const args = block === 'php' ? ['-S', `127.0.0.1:${port}`, file] : [file]
      const { stdout } = start({ t, args, env: { PORT: String(port) }, cwd: folder, command: [program] })
      const post = (request: Request) => exchange({ url: `http://127.0.0.1:${port}/`, ...request })
      const { status } = await until('the start', () => post(event).catch(() => undefined))
      assert.equal(status, 204)
      for (const [what, request] of wrong(event)) assert.equal((await post(request)).status, 401, what)
      const rotated = `v1,${Buffer.alloc(32).toString('base64')} ${event.headers['webhook-signature']}`
      const headers = { ...event.headers, 'webhook-signature': rotated }
      assert.equal((await post({ ...event, headers })).status, 204, 'two signatures')
      await until(
        'both lines',
        () =>
          stdout()
            .split('\n')
            .filter((line) => line === expected).length === 2 || undefined,
      )
      assert.equal(stdout().trimEnd().split('\n').length, 2)
    })
  }
})

test('every program of the guide about events is run', () => {
  assert.deepEqual(
    [...guide.matchAll(/^```(\w+)$/gm)].map(([, block]) => block),
    LANGUAGES.map(({ block }) => block),
  )
})
