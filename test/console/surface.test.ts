import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, test } from 'node:test'
import { exchange, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { linksOf, operator, startWithConsole } from './harness.ts'
import { consoleRoutes } from './routes.ts'
import { createVisitor } from './visitor.ts'

const product = await startWithConsole()
after(() => product.stop())
await product.sell({ email: 'alice@example.com' })
const sold = await product.sell({ email: 'lost@example.com', courseIds: ['course-v1:No+Such+Course'] })
const id = String(sold.headers['x-lernito-delivery'])
await until('the answers to the shop, which are stored in the background', async () =>
  (stored().match(/"answer":"/g) ?? []).length === 2 ? true : undefined,
)

/** The routes of the console, with the id of a delivery filled in. */
const routes = consoleRoutes(product).map((route) => ({
  ...route,
  url: product.url + route.path.replace(':id', id).replace(':name', 'console.css'),
}))
const reading = routes.filter(({ methods }) => methods.includes('GET'))
const changing = routes.flatMap(({ methods, ...route }) =>
  methods.filter((method) => !['GET', 'HEAD'].includes(method)).map((method) => ({ ...route, method })),
)
const OPEN = ['/static/:name', '/sign-in', '/callback', '/signed-out'].map((path) => `/lernito/console${path}`)

/** Returns all stored rows, except for sessions, replicas, and what is stored in the background: the senders of webhooks,
 * and the courses of the LMS. */
function stored(): string {
  const database = new DatabaseSync(`${product.folder}/lernito.db`, { readOnly: true })
  const tables = database
    .prepare("select name from sqlite_master where type = 'table'")
    .all()
    .map(({ name }) => String(name))
  const rows = tables
    .filter((name) => !['console_sessions', 'replicas', 'senders', 'catalogue'].includes(name))
    .map((name) => [name, database.prepare(`select * from ${name}`).all()])
  database.close()
  return JSON.stringify(rows, (_key, value) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value))
}

test('the console has the routes that this test expects', () => {
  assert.ok(reading.length >= 10 && changing.length >= 6, `${reading.length} and ${changing.length}`)
  assert.deepEqual(
    OPEN.filter((path) => !reading.some((route) => route.path === path)),
    [],
  )
})

describe('without a session', () => {
  for (const { path, url } of reading.filter((route) => !OPEN.includes(route.path))) {
    test(`GET ${path} redirects to the sign-in and shows nothing`, async () => {
      const seen = await createVisitor().get(url)
      assert.equal(seen.status, 303)
      assert.ok(seen.location.startsWith('/lernito/console/sign-in?next=%2Flernito%2Fconsole'), seen.location)
      assert.equal(seen.text, '')
      const polled = await createVisitor().get(url, { 'hx-request': 'true' })
      assert.deepEqual([polled.status, polled.text], [401, ''])
      assert.equal(polled.headers['hx-redirect'], seen.location)
    })
  }

  for (const { path, url, method } of changing) {
    test(`${method} ${path} is refused, and nothing changes`, async () => {
      const before = stored()
      const seen = await createVisitor().ask(url, { method, form: { csrf: 'x', note: 'x' } })
      assert.equal(seen.status, 401)
      assert.match(seen.text, /You are signed out/)
      assert.equal(stored(), before)
    })
  }

  test('a page that does not exist also redirects to the sign-in', async () => {
    assert.equal((await createVisitor().get(`${product.console}/nothing/there`)).status, 303)
  })

  test('an invented or changed cookie gives no session', async () => {
    const someone = await operator(product)
    const [cookie = ''] = (someone.cookies().lernito_console ?? '').split(';')
    const others = ['lernito_console=', 'lernito_console=x', `${cookie}x`, cookie.slice(0, -1), cookie.toLowerCase()]
    for (const other of others) {
      assert.equal((await createVisitor().get(`${product.console}/signature`, { cookie: other })).status, 303, other)
    }
  })
})

describe('with a session', async () => {
  const someone = await operator(product)

  test('no GET request changes anything', async () => {
    const before = stored()
    for (const { url } of reading) {
      const seen = await someone.get(url)
      assert.ok(seen.status < 500, `${url}: ${seen.status}`)
      await someone.ask(url, { method: 'HEAD' })
    }
    assert.equal(stored(), before)
  })

  for (const { path, url, method } of changing) {
    test(`${method} ${path} needs the session's token and the console's origin`, async () => {
      const before = stored()
      const ask = async (form: Record<string, string>, headers: Record<string, string> = {}) =>
        (await someone.ask(url, { method, form, headers })).status
      const other = await operator(product)
      assert.equal(await ask({}), 403, 'no token')
      assert.equal(await ask({ csrf: '' }), 403, 'an empty token')
      assert.equal(await ask({ csrf: other.csrf }), 403, 'the token of another session')
      assert.equal(await ask({ csrf: someone.csrf }, { origin: 'https://evil.test' }), 403, 'from another site')
      assert.equal(await ask({ csrf: someone.csrf }, { origin: 'null' }), 403, 'from an opaque origin')
      assert.equal(await ask({ csrf: someone.csrf }, { 'content-type': 'text/plain' }), 415, 'not a form')
      assert.equal(stored(), before)
    })
  }

  test('a form without an origin is accepted only if the browser reports the same origin', async () => {
    const [cookie = ''] = (someone.cookies().lernito_console ?? '').split(';')
    const send = async (headers: Record<string, string>): Promise<number> => {
      const type = { 'content-type': 'application/x-www-form-urlencoded' }
      const body = new URLSearchParams({ csrf: someone.csrf }).toString()
      return (await exchange({ url: `${product.console}/signature`, headers: { cookie, ...type, ...headers }, body }))
        .status
    }
    assert.equal(await send({ 'sec-fetch-site': 'same-origin' }), 303)
    for (const site of ['same-site', 'cross-site', 'none']) assert.equal(await send({ 'sec-fetch-site': site }), 403)
    assert.equal(await send({}), 403)
  })

  test('every link of every page works', async () => {
    const links = new Set<string>()
    for (const { url, path } of reading.filter((route) => !OPEN.includes(route.path))) {
      const seen = await someone.get(url)
      if (seen.status === 200 && !path.endsWith('.csv')) for (const link of linksOf(seen)) links.add(link)
    }
    const own = [...links].filter((link) => link.startsWith('/') && !link.includes('/sign-in?'))
    assert.ok(own.length >= 12, `${own.length}`)
    for (const link of own) assert.equal((await someone.get(product.url + link)).status, 200, link)
  })

  test('every answer has the security headers', async () => {
    const seen = [
      await someone.get(`${product.console}/signature`),
      await someone.get(`${product.console}/nothing`),
      await someone.send('/signature', { csrf: 'wrong' }),
      await createVisitor().get(`${product.console}/`),
      await createVisitor().get(`${product.console}/callback`),
    ]
    for (const { headers, status } of seen) {
      const policy = String(headers['content-security-policy'])
      assert.ok(!/unsafe|\*|https?:|data:/.test(policy), policy)
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
      ]) {
        assert.ok(policy.includes(part), `${status}: ${part}`)
      }
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['referrer-policy'], 'same-origin')
      assert.equal(headers['cache-control'], 'no-store')
    }
  })

  test('no page contains an inline script, style, or handler', async () => {
    for (const { url, path } of reading.filter((route) => !OPEN.includes(route.path))) {
      const { text } = await someone.get(url)
      assert.doesNotMatch(
        text,
        /<style|<script(?! src="\/lernito\/console\/static\/)|\sstyle=|\son\w+=|javascript:/i,
        path,
      )
    }
  })
})

describe('files', () => {
  test('need no session, have a type, and are cached forever if the address has their version', async () => {
    const { text } = await createVisitor().get(`${product.console}/signed-out`)
    const found = linksOf({ text }).filter((path) => path.includes('/static/'))
    assert.equal(found.length, 12)
    for (const path of found) {
      const seen = await createVisitor().get(product.url + path)
      assert.equal(seen.status, 200)
      assert.match(String(seen.headers['content-type']), /^(text\/(css|javascript)|image\/svg\+xml); charset=utf-8$/)
      assert.match(String(seen.headers['cache-control']), /^public, max-age=31536000, immutable$/)
      const bare = await createVisitor().get((product.url + path).replace(/\?.*/, ''))
      assert.deepEqual([bare.status, bare.headers['cache-control']], [200, 'no-cache'])
    }
  })

  const outside = [
    '..%2froutes.ts',
    '..%2f..%2f..%2fpackage.json',
    '%2e%2e%2ftexts.json',
    '....//texts.ts',
    'console.css%00',
    '__proto__',
    'constructor',
    '',
  ]
  for (const name of outside) {
    test(`/static/${name} is not found`, async () => {
      const seen = await createVisitor().get(`${product.console}/static/${name}`)
      assert.notEqual(seen.status, 200)
      assert.doesNotMatch(seen.text, /import|dependencies/)
    })
  }
})

describe('a service without all settings of the console', () => {
  const client = { LERNITO_CONSOLE_CLIENT_ID: 'console-client', LERNITO_CONSOLE_CLIENT_SECRET: 'console-client-secret' }
  const gaps: [missing: string, env: Record<string, string>, words: RegExp][] = [
    ['LERNITO_CONSOLE_CLIENT_ID', {}, /^the console is off; to turn it on, set LERNITO_CONSOLE_CLIENT_ID /],
    [
      'LERNITO_CONSOLE_CLIENT_SECRET',
      { LERNITO_CONSOLE_CLIENT_ID: 'console-client' },
      /^the console is off: set LERNITO_CONSOLE_CLIENT_SECRET, .*, or remove LERNITO_CONSOLE_CLIENT_ID/,
    ],
    [
      'LERNITO_PUBLIC_URL, although other machines can reach the service',
      { ...client, LERNITO_HOST: '0.0.0.0' },
      /^the console is off: set LERNITO_PUBLIC_URL, /,
    ],
  ]
  for (const [missing, env, words] of gaps) {
    test(`${missing} is missing: it accepts sales, answers 404 for the console, and logs what to do`, async () => {
      const plain = await startProduct({ env })
      const url = plain.url.replace('0.0.0.0', '127.0.0.1')
      for (const path of ['/lernito/console/', '/lernito/console/sign-in', '/lernito/console/static/console.css']) {
        assert.equal((await createVisitor().get(url + path)).status, 404, path)
      }
      assert.equal((await plain.sell({ email: 'alice@example.com' })).status, 200)
      await plain.stop()
      assert.ok(plain.log.some(({ msg }) => words.test(String(msg))))
    })
  }
})
