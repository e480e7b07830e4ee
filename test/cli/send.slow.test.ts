import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DEMO, type Product, payload, SECRET, startProduct } from '../harness.ts'
import { listening } from '../listening.ts'
import { run, temporaryFolder } from '../service/process.ts'
import { signStandard } from '../shop/signature/sign-standard.ts'
import { recordedCases } from '../shop/webhook/recorded-cases.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ID = /^delivery ([0-9A-Z]{26})$/
const env = { LERNITO_WEBHOOK_SECRET: SECRET }

let product: Product
before(async () => {
  product = await startProduct({ env: { LERNITO_REFUNDS: 'on' } })
})
after(() => product.stop())

/** Runs `send` against the product. Returns its output as lines. */
async function send(args: readonly string[], more: { cwd?: string; input?: string } = {}) {
  const { code, stdout, stderr } = await run({ args: ['send', '--url', product.webhook, ...args], env, ...more })
  return { code, stderr, lines: stdout.trimEnd().split('\n') }
}

/** The courses of the allowances with this address. */
const allowed = async (email: string): Promise<string[]> =>
  (await product.lms.state()).allowances.filter((row) => row.email === email).map(({ course }) => course)

describe('send', { concurrency: 2 }, () => {
  test('builds a payload, and prints the status, the answer and the delivery’s id, with exit code 0', async () => {
    const args = ['--email', 'built@example.com', '--course', DEMO, '--course', PYTHON, '--name', 'Zoë']
    const { code, stderr, lines } = await send(args)
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    const [status, answer, id = ''] = lines
    assert.equal(status, '200 OK')
    assert.equal(answer, '{"success":true,"message":"Enrollment allowance verified for 2 course(s)"}')
    assert.match(id, ID)
    assert.ok(product.log.some(({ delivery, event }) => event === 'received' && `delivery ${delivery}` === id))
    assert.deepEqual(await allowed('built@example.com'), [DEMO, PYTHON])
  })

  test('takes a file', async (t) => {
    const cwd = temporaryFolder(t)
    writeFileSync(join(cwd, 'sale.json'), payload({ email: 'file@example.com' }))
    assert.equal((await send(['sale.json'], { cwd })).code, 0)
    assert.deepEqual(await allowed('file@example.com'), [DEMO])
  })

  test('without --url, sends to the port of this machine that the settings have', async () => {
    const args = ['send', '--email', 'near@example.com', '--course', DEMO]
    const { code, stderr } = await run({ args, env: { ...env, LERNITO_PORT: new URL(product.url).port } })
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.deepEqual(await allowed('near@example.com'), [DEMO])
  })

  test('--refund takes the buyer out of the course again', async () => {
    const of = ['--email', 'refunded@example.com', '--course', DEMO]
    const sold = await send(of)
    assert.deepEqual(await allowed('refunded@example.com'), [DEMO])
    const url = `${product.url}/api/lernito/refund/`
    const { code, lines } = await send(['--refund', '--url', url, ...of])
    assert.deepEqual([code, lines[0], lines[2]], [0, '200 OK', sold.lines[2]])
    assert.equal(lines[1], '{"success":true,"message":"Withdrawal verified for 1 course(s)"}')
    assert.deepEqual(await allowed('refunded@example.com'), [])
  })

  test('sends no refund to the address for sales, and no sale to that for refunds', async () => {
    const of = ['--email', 'mistaken@example.com', '--course', DEMO]
    const refund = await send(['--refund', ...of])
    assert.equal(refund.code, 2)
    assert.match(refund.stderr, /is an address for sales\. Refunds go to \/api\/lernito\/refund\/\.$/m)
    assert.deepEqual(await allowed('mistaken@example.com'), [])
    const sale = await send(['--url', `${product.url}/api/lernito/refund`, ...of])
    assert.equal(sale.code, 2)
    assert.match(sale.stderr, /is an address for refunds\. To send a refund, add --refund\.$/m)
  })

  for (const form of ['original', 'readme', 'raw']) {
    test(`takes standard input, and signs it in the form ${form}`, async () => {
      const email = `${form}@example.com`
      assert.equal((await send(['-', '--form', form], { input: payload({ email }) })).code, 0)
      assert.deepEqual(await allowed(email), [DEMO])
    })
  }

  test('--standard signs by Standard Webhooks, and another sale under its id is refused', async () => {
    const first = await send(['--standard', '--email', 'standard@example.com', '--course', DEMO])
    const [, , , line = ''] = first.lines
    assert.equal(first.code, 0)
    const [, id = ''] = /^webhook-id (msg_[0-9a-f-]{36})$/.exec(line) ?? []
    const second = await send(['--standard', '--id', id, '--email', 'other@example.com', '--course', PYTHON])
    assert.deepEqual([second.code, second.lines[0]], [1, '400 Bad Request'])
    assert.deepEqual(await allowed('standard@example.com'), [DEMO])
    assert.deepEqual(await allowed('other@example.com'), [])
  })

  test('prints a 4xx answer like any other, with exit code 1', async () => {
    const { code, stderr, lines } = await send(['--email', 'no address', '--course', DEMO])
    assert.deepEqual({ code, stderr }, { code: 1, stderr: '' })
    assert.deepEqual(lines.slice(0, 2), [
      '400 Bad Request',
      '{"success":false,"message":{"email":["Enter a valid email address."]}}',
    ])
    assert.match(lines[2] ?? '', ID)
  })

  test('a refused signature has no delivery id, and exit code 1', async () => {
    const args = ['send', '--url', product.webhook, '--email', 'a@example.com', '--course', DEMO]
    const { code, stdout } = await run({ args, env: { LERNITO_WEBHOOK_SECRET: 'another-secret-of-16' } })
    assert.deepEqual(
      { code, stdout },
      { code: 1, stdout: '401 Unauthorized\n{"success":false,"message":"Invalid signature"}\n' },
    )
  })

  const buyer = ['--email', 'a@example.com', '--course', DEMO]
  const errors: Record<string, { args: string[]; code: number; says: RegExp; env?: Record<string, string> }> = {
    'neither file nor buyer': { args: [], code: 2, says: /FILE, or --email and --course.* --help/ },
    'a buyer without a course': { args: ['--email', 'a@example.com'], code: 2, says: /--course/ },
    'a --url that is not a URL': { args: [...buyer, '--url', 'nonsense'], code: 2, says: /--url nonsense/ },
    'a URL of another scheme': { args: [...buyer, '--url', 'ftp://shop/'], code: 2, says: /--url ftp:\/\/shop\// },
    'a file and a buyer': { args: ['sale.json', ...buyer], code: 2, says: /--email/ },
    'a file and a name': { args: ['sale.json', '--name', 'Ada'], code: 2, says: /takes a FILE, or options/ },
    'two files': { args: ['a.json', 'b.json'], code: 2, says: /one file/ },
    'an id without --standard': { args: [...buyer, '--id', 'x'], code: 2, says: /--id needs --standard/ },
    'an unknown form': { args: [...buyer, '--form', 'xml'], code: 2, says: /original, readme, raw, not xml/ },
    '--standard with a form': {
      args: [...buyer, '--standard', '--form', 'raw'],
      code: 2,
      says: /two ways to sign\. Use only one of them/,
    },
    'a missing file': { args: ['no-such.json'], code: 1, says: /open '\/.*\/no-such\.json'\)\. .* send - <FILE$/m },
    'no secret': { args: buyer, code: 1, says: /^LERNITO_WEBHOOK_SECRET is missing\. Set it/, env: {} },
  }
  for (const [what, { args, code, says, env: own = env }] of Object.entries(errors)) {
    test(`${what}: one line on standard error, and exit code ${code}`, async () => {
      const ended = await run({ args: ['send', ...args], env: own })
      assert.deepEqual({ code: ended.code, stdout: ended.stdout }, { code, stdout: '' })
      assert.match(ended.stderr, says)
      assert.match(ended.stderr, /^[^\n]+\n$/)
    })
  }

  test('if nothing listens, one line says so, and the exit code is 1', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => closed.once('listening', resolve))
    const address = closed.address()
    assert.ok(address !== null && typeof address === 'object')
    const { port } = address
    await new Promise((resolve) => closed.close(resolve))
    const { code, stdout, stderr } = await run({ args: ['send', ...buyer, '--url', `http://127.0.0.1:${port}/`], env })
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    assert.match(
      stderr,
      new RegExp(
        `^Nothing answers at http://127\\.0\\.0\\.1:${port}/ \\(.*ECONNREFUSED.*\\)\\. Is the service running\\?\n$`,
      ),
    )
  })

  test('an answer that is cut off gets one line that says where to look, and exit code 1', async (t) => {
    const server = createServer((request, response) => {
      request.resume().once('end', () => {
        response.writeHead(200, { 'content-length': 100 }).write('{', () => response.socket?.destroy())
      })
    })
    const { host } = await listening(t, server)
    const { code, stdout, stderr } = await run({ args: ['send', ...buyer, '--url', `http://${host}/`], env })
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    assert.match(stderr, /^The answer 200 of http:.* was cut off \(.*\)\..* lernito-openedx deliveries list\n$/)
  })

  test('nothing in an answer moves the cursor or hides text: only its lines remain', async (t) => {
    const server = createServer((request, response) => {
      request.resume().once('end', () => {
        response.writeHead(502, { 'x-lernito-delivery': 'A\x9b2J' })
        response.end('<h1>\x1b[2J\r\n\u202eBad\u009b1mGateway</h1>\r')
      })
    })
    const { host } = await listening(t, server)
    const { code, stdout, stderr } = await run({ args: ['send', ...buyer, '--url', `http://${host}/`], env })
    assert.deepEqual({ code, stderr }, { code: 1, stderr: '' })
    assert.deepEqual(stdout.split('\n'), [
      '502 Bad Gateway',
      '<h1>\\u001b[2J',
      '\\u202eBad\\u009b1mGateway</h1>',
      'delivery A\\u009b2J',
      '',
    ])
  })
})

const CASES = recordedCases('lernito-webhook.json')

function recorded(name: string): { body: string; signature: string | undefined } {
  const found = CASES.find((one) => one.name === name)
  assert.ok(found, `no recording is called ${name}`)
  return { body: found.request.body, signature: found.request.headers['x-lernito-signature'] }
}

/** Runs `send --print` on an input. Returns the lines above the body, by name, and the body. */
async function print(args: readonly string[], input: string | Readable, own: Record<string, string> = env) {
  const { code, stdout, stderr } = await run({ args: ['send', '--print', ...args], env: own, input })
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  const end = stdout.indexOf('\n\n')
  const [address, ...lines] = stdout.slice(0, end).split('\n')
  const headers = Object.fromEntries(lines.map((line) => line.split(': ', 2)))
  return { address, headers, body: stdout.slice(end + 2) }
}

describe('send --print', { concurrency: 2 }, () => {
  test('prints the request of a file that the original plugin accepted, and posts nothing', async (t) => {
    const { body, signature } = recorded('unknown person, one course')
    const cwd = temporaryFolder(t)
    writeFileSync(join(cwd, 'payload.json'), body)
    const { code, lines } = await send(['--print', 'payload.json'], { cwd })
    assert.equal(code, 0)
    assert.deepEqual(lines, [
      `POST ${product.webhook}`,
      'content-type: application/json',
      `x-lernito-signature: ${signature}`,
      '',
      body,
    ])
    const { email } = JSON.parse(body)
    assert.deepEqual(await allowed(email), [])
  })

  test('waits for a slow writer on standard input', async () => {
    const { body, signature } = recorded('unknown person, one course')
    const slow = async function* () {
      yield body.slice(0, 9)
      await delay(800) // the process is up and has read the first part; were it not, it would only be spared the wait
      yield body.slice(9)
    }
    const printed = await print(['-'], Readable.from(slow()))
    assert.deepEqual([printed.headers['x-lernito-signature'], printed.body], [signature, body])
  })

  const forms = {
    original: 'canonical form: floats',
    readme: 'as the README script signs it: sorted, with spaces',
    raw: 'of the raw body, which differs from the canonical form',
  }
  for (const [form, name] of Object.entries(forms)) {
    test(`--form ${form} gives the recorded signature`, async () => {
      const { body, signature } = recorded(name)
      assert.equal((await print(['-', '--form', form], body)).headers['x-lernito-signature'], signature)
    })
  }

  test('--standard gives the three headers of Standard Webhooks, which verify for the bytes, also if those are not JSON', async () => {
    for (const body of [recorded('non-ASCII name, sent as UTF-8').body, '{nonsense']) {
      const printed = await print(['-', '--standard', '--id', 'order-1'], body)
      const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = printed.headers
      assert.deepEqual([id, printed.body], ['order-1', body])
      assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 60)
      assert.equal(signature, signStandard({ id: 'order-1', timestamp: Number(timestamp), body, secret: SECRET }))
    }
  })

  test('--standard makes up a new id each time', async () => {
    const ids = await Promise.all(
      [1, 2].map(async () => (await print(['-', '--standard'], '{}')).headers['webhook-id']),
    )
    for (const id of ids) assert.match(id ?? '', /^msg_[0-9a-f-]{36}$/)
    assert.notEqual(ids[0], ids[1])
  })

  test('reads the secret from .env or from a file, as the service does', async (t) => {
    const { body, signature } = recorded('unknown person, one course')
    const cwd = temporaryFolder(t)
    const printed = async (own: Record<string, string>) =>
      (await run({ args: ['send', '--print', '-'], env: own, input: body, cwd })).stdout
    writeFileSync(join(cwd, 'secret'), `${SECRET}\n`)
    assert.ok((await printed({ LERNITO_WEBHOOK_SECRET_FILE: 'secret' })).includes(`: ${signature}\n`))
    writeFileSync(join(cwd, '.env'), `LERNITO_WEBHOOK_SECRET=${SECRET}\n`)
    assert.ok((await printed({})).includes(`: ${signature}\n`))
  })

  const errors: Record<string, { args: string[]; says: RegExp; env?: Record<string, string> }> = {
    'a body that is not JSON': { args: [], says: /can't be signed: .*line 1 column 2/ },
    'an id that no service accepts': { args: ['--standard', '--id', 'a b'], says: /printable ASCII/ },
    'a secret that is no base64 after whsec_': {
      args: ['--standard'],
      says: /can't be signed: .*whsec_/,
      env: { LERNITO_WEBHOOK_SECRET: 'whsec_not-base64' },
    },
  }
  for (const [what, { args, says, env: own = env }] of Object.entries(errors)) {
    test(`${what}: one line on standard error, and exit code 1`, async () => {
      const ended = await run({ args: ['send', '--print', '-', ...args], env: own, input: '{nonsense' })
      assert.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 1, stdout: '' })
      assert.match(ended.stderr, says)
      assert.match(ended.stderr, /^[^\n]+\n$/)
    })
  }
})
