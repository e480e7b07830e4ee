import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { unseal } from '../../src/console/session/seal.ts'
import { openDatabase } from '../../src/database/database.ts'
import { csrfOf, LEARNER, linksOf, operator, signIn, startWithConsole } from './harness.ts'
import { createVisitor } from './visitor.ts'

const clock = { offset: 0 }
const now = (): number => Date.now() + clock.offset
const product = await startWithConsole({ now })
after(() => product.stop())
const page = `${product.console}/signature`

describe('signing in', () => {
  test('a page redirects to the LMS with PKCE and returns to itself; scripts and other sites can’t read the cookie', async () => {
    const visitor = createVisitor()
    const sent = await visitor.get(`${page}?a=1&b=2`)
    const start = await visitor.get(new URL(sent.location, page).href)
    const asked = new URL(start.location)
    assert.equal(asked.origin + asked.pathname, `${product.lmsUrl}/oauth2/authorize`)
    const { state, code_challenge, ...others } = Object.fromEntries(asked.searchParams)
    assert.deepEqual(others, {
      response_type: 'code',
      client_id: 'console-client',
      redirect_uri: `${product.console}/callback`,
      scope: 'profile email',
      code_challenge_method: 'S256',
    })
    assert.match(state ?? '', /^[\w-]{43}$/)
    assert.match(code_challenge ?? '', /^[\w-]{43}$/)
    const back = await signIn(visitor, product, { page: '/signature?a=1&b=2' })
    assert.deepEqual([back.status, back.location], [303, '/lernito/console/signature?a=1&b=2'])
    const cookie = visitor.cookies().lernito_console ?? ''
    assert.match(cookie, /^lernito_console=[\w-]{43}; Max-Age=28800; Path=\/lernito\/console; HttpOnly; SameSite=Lax$/)
    assert.equal((await visitor.get(page)).status, 200)
  })

  test('the database has no token of a browser, and a refresh token in it can’t be read without one', async () => {
    const visitor = createVisitor()
    await signIn(visitor, product)
    const [, token = ''] = /^lernito_console=([\w-]+)/.exec(visitor.cookies().lernito_console ?? '') ?? []
    const { db, close } = openDatabase({ url: `sqlite:${join(product.folder, 'lernito.db')}`, serve: false })
    const rows = await db.selectFrom('console_sessions').selectAll().execute()
    await close()
    assert.ok(!JSON.stringify(rows).includes(token))
    const opened = rows.map(({ refresh_token: sealed }) =>
      unseal({ sealed: sealed ?? '', token, use: 'refresh token' }),
    )
    const [refreshToken = ''] = opened.filter((one) => one !== null)
    assert.ok(refreshToken.length > 20)
    assert.ok(rows.every(({ refresh_token }) => refresh_token !== null && !refresh_token.includes(refreshToken)))
    assert.equal(opened.filter((one) => one !== null).length, 1)
  })

  test('behind https the cookies are for https only, and the callback is the public address', async () => {
    const behind = await startWithConsole({ env: { LERNITO_PUBLIC_URL: 'https://lms.example.com' } })
    const visitor = createVisitor()
    const sent = await visitor.get(`${behind.console}/sign-in`)
    await behind.stop()
    assert.equal(
      new URL(sent.location).searchParams.get('redirect_uri'),
      'https://lms.example.com/lernito/console/callback',
    )
    const [[name, cookie = ''] = ['']] = Object.entries(visitor.cookies())
    assert.match(name, /^__Secure-lernito_sign_in_/)
    assert.match(cookie, /; Path=\/lernito\/console; HttpOnly; Secure; SameSite=Lax$/)
  })

  test('two windows can sign in at once', async () => {
    const visitor = createVisitor()
    await visitor.post(`${product.lmsUrl}/login`, { login: 'admin', password: 'pw-Test-123' })
    const starts = [await visitor.get(`${product.console}/sign-in`), await visitor.get(`${product.console}/sign-in`)]
    for (const { location } of starts) {
      const back = await visitor.get((await visitor.get(location)).location)
      assert.deepEqual([back.status, back.location], [303, '/lernito/console/'])
    }
  })

  test('a learner is refused with the reason, and gets no session', async () => {
    const visitor = createVisitor()
    const back = await signIn(visitor, product, { login: LEARNER })
    assert.equal(back.status, 403)
    assert.match(back.text, /This account is not staff/)
    assert.match(back.text, /alice/)
    assert.ok(linksOf(back).includes(`${product.lmsUrl}/admin/auth/user/?q=alice`))
    assert.deepEqual(Object.keys(visitor.cookies()), ['sandbox_session'])
    assert.equal((await visitor.get(page)).status, 303)
    assert.ok(
      product.log.some(({ msg, actor }) => msg === 'turned away from the console: not staff' && actor === 'alice'),
    )
  })

  test('a callback that is from another browser, used, forged, or has an error signs nobody in', async () => {
    const visitor = createVisitor()
    await visitor.post(`${product.lmsUrl}/login`, { login: 'admin', password: 'pw-Test-123' })
    const start = async () => (await visitor.get(`${product.console}/sign-in`)).location
    const callback = async () => (await visitor.get(await start())).location
    const stolen = await callback()
    assert.equal((await createVisitor().get(stolen)).status, 400)
    const used = await callback()
    assert.equal((await visitor.get(used)).status, 303)
    assert.equal((await visitor.get(used)).status, 400)
    const state = new URL(await start()).searchParams.get('state') ?? ''
    const others = [
      `code=forged&state=${state}`,
      `code=forged&state=${state.slice(0, 20)}`,
      `code=forged&state=${state.slice(0, -1)}~`,
      'code=forged',
      'state=x',
    ]
    for (const query of others) {
      const seen = await visitor.get(`${product.console}/callback?${query}`)
      assert.equal(seen.status, 400, query)
    }
    const denied = new URL(await start()).searchParams.get('state') ?? ''
    const seen = await visitor.get(`${product.console}/callback?error=access_denied&state=${denied}`)
    assert.equal(seen.status, 400)
    assert.match(seen.text, /access_denied/)
    const odd = new URL(await start()).searchParams.get('state') ?? ''
    const shown = await visitor.get(`${product.console}/callback?error=%3Cscript%3E&state=${odd}`)
    assert.ok(!shown.text.includes('script&#62;') && !shown.text.includes('<script>'))
  })

  test('all of the state has to come back, and one that differs in its end leaves the attempt as it was', async () => {
    const visitor = createVisitor()
    await visitor.post(`${product.lmsUrl}/login`, { login: 'admin', password: 'pw-Test-123' })
    const back = new URL((await visitor.get((await visitor.get(`${product.console}/sign-in`)).location)).location)
    const state = back.searchParams.get('state') ?? ''
    const other = new URL(back)
    other.searchParams.set('state', `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`)
    const refused = await visitor.get(other.href)
    assert.deepEqual([refused.status, refused.headers['set-cookie']], [400, undefined])
    assert.equal((await visitor.get(back.href)).status, 303)
  })

  test('a page of at most 1 KB is kept for the time after the sign-in; a longer one gives the start page', async () => {
    const page = `${new URL(product.console).pathname}/signature?a=`
    for (const [length, kept] of [
      [1024, true],
      [1025, false],
    ] as const) {
      const next = page.padEnd(length, 'a')
      const back = await signIn(createVisitor(), product, { page: `/signature?a=${next.slice(page.length)}` })
      assert.equal(back.location, kept ? next : '/lernito/console/', `${length}`)
    }
  })

  test('a browser keeps its five newest attempts, so that a site that begins many leaves its requests short', async () => {
    const visitor = createVisitor()
    await visitor.post(`${product.lmsUrl}/login`, { login: 'admin', password: 'pw-Test-123' })
    const starts: string[] = []
    for (let i = 0; i < 20; i++) starts.push((await visitor.get(`${product.console}/sign-in`)).location)
    const kept = Object.keys(visitor.cookies()).filter((name) => name.startsWith('lernito_sign_in_'))
    assert.equal(kept.length, 5)
    const backs = await Promise.all(starts.slice(-6).map(async (start) => (await visitor.get(start)).location))
    const statuses: number[] = []
    for (const back of backs) statuses.push((await visitor.get(back)).status)
    assert.deepEqual(statuses, [400, 303, 303, 303, 303, 303])
  })

  test('of 500 attempts in the cookies, which no browser keeps, a sign-in removes five', async () => {
    const cookie = Array.from({ length: 500 }, (_, n) => `lernito_sign_in_${n}=x`).join('; ')
    const { headers } = await createVisitor().ask(`${product.console}/sign-in`, { headers: { cookie } })
    const removed = [headers['set-cookie'] ?? []]
      .flat()
      .filter((line) => /Max-Age=0|Expires=Thu, 01 Jan 1970/.test(line))
    assert.equal(removed.length, 5)
  })

  const foreignPages = [
    'https://evil.test/',
    '//evil.test/',
    '//evil.test/lernito/console/signature',
    '/\\evil.test',
    '/',
    '/lernito/consoles',
    'javascript:alert(1)',
    '/lernito/console/../../x',
    '\t//evil.test',
    '',
  ]
  for (const next of foreignPages) {
    test(`next=${JSON.stringify(next)} redirects to the start page`, async () => {
      const visitor = createVisitor()
      await visitor.post(`${product.lmsUrl}/login`, { login: 'admin', password: 'pw-Test-123' })
      const start = await visitor.get(`${product.console}/sign-in?next=${encodeURIComponent(next)}`)
      const back = await visitor.get((await visitor.get(start.location)).location)
      assert.deepEqual([back.status, back.location], [303, '/lernito/console/'])
    })
  }

  describe('under an attack on the sign-in', () => {
    /** Returns from the LMS to the callback, at this address, with a code that the LMS never gave. */
    async function failAt(console: string, address: string, times: number): Promise<number[]> {
      const headers = { 'x-forwarded-for': address }
      const statuses: number[] = []
      for (let i = 0; i < times; i++) {
        const visitor = createVisitor()
        const begun = await visitor.get(`${console}/sign-in`, headers)
        const state = new URL(begun.location).searchParams.get('state') ?? ''
        statuses.push((await visitor.get(`${console}/callback?code=x&state=${state}`, headers)).status)
      }
      return statuses
    }
    const start = (t: TestContext) => {
      const starting = startWithConsole({ env: { LERNITO_TRUSTED_PROXIES: '1' }, now })
      t.after(async () => (await starting).stop())
      return starting
    }

    test('30 failed sign-ins from one IPv6 /64 lock out only that network, for a minute, and six reach the LMS', async (t) => {
      const other = await start(t)
      const statuses: number[] = []
      for (let i = 1; i <= 30; i++) statuses.push(...(await failAt(other.console, `2001:db8:0:7::${i}`, 1)))
      assert.deepEqual(statuses, [...Array(6).fill(400), ...Array(24).fill(429)])
      const calls = await other.lms.calls()
      assert.equal(calls.find(({ path, status }) => path === '/oauth2/access_token' && status === 400)?.count, 6)
      assert.equal((await signIn(createVisitor(), other)).status, 303)
      clock.offset += 60_000
      assert.deepEqual(await failAt(other.console, '2001:db8:0:7::1', 1), [400])
    })

    test('a browser that an operator signed in with before can sign in from an attacked network, and when the total limit is reached', async (t) => {
      const other = await start(t)
      const known = createVisitor()
      assert.equal((await signIn(known, other)).status, 303)
      for (let network = 1; network <= 4; network++) await failAt(other.console, `192.0.2.${network}`, 6)
      await failAt(other.console, '127.0.0.1', 6)
      assert.equal((await signIn(createVisitor(), other)).status, 429, 'from the operator’s network')
      assert.deepEqual(await failAt(other.console, '203.0.113.1', 1), [429])
      const csrf = csrfOf(await known.get(`${other.console}/signature`))
      await known.post(`${other.console}/sign-out`, { csrf })
      assert.equal((await signIn(known, other)).status, 303)
    })

    test('nobody can forge the cookie of a known browser or extend it beyond 180 days', async (t) => {
      const other = await start(t)
      const known = createVisitor()
      await signIn(known, other)
      const line = known.cookies().lernito_known ?? ''
      assert.match(line, /; Max-Age=15552000; Path=\/lernito\/console\/callback; HttpOnly; SameSite=Lax$/)
      const [cookie = ''] = line.split(';')
      await failAt(other.console, '127.0.0.1', 6)
      const backWith = async (own: string): Promise<number> => {
        const begun = await createVisitor().ask(`${other.console}/sign-in`)
        const state = new URL(begun.location).searchParams.get('state') ?? ''
        const [attempt = ''] = String(begun.headers['set-cookie']).split(';')
        const seen = await createVisitor().get(`${other.console}/callback?code=x&state=${state}`, {
          cookie: `${attempt}; ${own}`,
        })
        return seen.status
      }
      assert.equal(await backWith(cookie), 400)
      const [until = '', id = '', signature = ''] = cookie.split('=')[1]?.split('.') ?? []
      for (const value of [
        `${Number(until) + 1}.${id}.${signature}`,
        `${until}.${id}x.${signature}`,
        `${until}.${id}.`,
        `${until}%2E${id}.${signature}`,
        `${until}.${id}.${signature.slice(0, -1)}`,
        '',
      ]) {
        assert.equal(await backWith(`lernito_known=${value}`), 429, value)
      }
      clock.offset += 180 * 24 * 60 * 60_000
      await failAt(other.console, '127.0.0.1', 6)
      assert.equal(await backWith(cookie), 429, 'after 180 days')
    })

    test('a failed sign-in without a call to the LMS does not count, and is no line in the log', async (t) => {
      const other = await start(t)
      for (let i = 0; i < 40; i++) {
        const visitor = createVisitor()
        const begun = await visitor.get(`${other.console}/sign-in`)
        const state = new URL(begun.location).searchParams.get('state') ?? ''
        const query = i % 2 === 0 ? `error=access_denied&state=${state}` : `code=&state=${state}`
        assert.equal((await visitor.get(`${other.console}/callback?${query}`)).status, 400)
      }
      assert.ok(other.log.every(({ level }) => level === 'info'))
      assert.equal((await signIn(createVisitor(), other)).status, 303)
    })
  })

  test('a wrong client secret gives a message with the cause and the settings', async () => {
    const other = await startWithConsole({ env: { LERNITO_CONSOLE_CLIENT_SECRET: 'another' } })
    const back = await signIn(createVisitor(), other)
    await other.stop()
    assert.equal(back.status, 502)
    assert.match(back.text, /LERNITO_CONSOLE_CLIENT_ID with LERNITO_CONSOLE_CLIENT_SECRET \(invalid_client\)/)
  })
})

describe('a session', () => {
  const hour = 60 * 60_000
  const admin = (is: { staff: boolean; active: boolean }) =>
    fetch(`${product.lmsUrl}/sandbox/people`, {
      method: 'POST',
      body: JSON.stringify({ email: 'admin@lms.test', username: 'admin', ...is }),
    })

  test('is renewed at the LMS within the hour, and still ends after eight hours', async () => {
    const someone = await operator(product, now)
    const [cookie = ''] = (someone.cookies().lernito_console ?? '').split(';')
    const renewals = async () =>
      (await product.lms.calls()).find(({ path, status }) => path === '/oauth2/access_token' && status === 200)
        ?.count ?? 0
    const before = await renewals()
    for (let passed = 0; passed < 8 * hour - 60_000; passed += hour - 60_000) {
      assert.equal((await someone.see('/signature')).status, 200, `after ${passed / hour} h`)
      clock.offset += hour - 60_000
    }
    assert.equal((await renewals()) - before, 8)
    clock.offset += 20 * 60_000
    assert.equal((await someone.see('/signature')).status, 303, 'the cookie has expired')
    assert.equal((await createVisitor().get(page, { cookie })).status, 303, 'the session has ended')
  })

  for (const [what, is] of [
    ['person loses the staff flag', { staff: false, active: true }],
    ['account is deactivated, which keeps its staff flag', { staff: true, active: false }],
  ] as const) {
    test(`ends within the hour after the ${what}`, async () => {
      const someone = await operator(product, now)
      await admin(is)
      clock.offset += hour
      assert.equal((await someone.see('/signature')).status, 303)
      const denied = await signIn(someone, product)
      assert.equal(denied.status, 403)
      await admin({ staff: true, active: true })
      assert.equal((await someone.see('/signature')).status, 303, 'the session stays ended')
    })
  }

  test('allows reading but no changes while the LMS is down, and allows changes again afterwards', async () => {
    const someone = await operator(product, now)
    await product.lms.faults([{ path: '/oauth2/access_token', status: 503 }])
    clock.offset += hour
    const seen = await someone.see('/signature')
    assert.equal(seen.status, 200)
    assert.match(seen.text, /it cannot confirm that you are staff/)
    assert.equal((await someone.send('/nothing-there')).status, 503)
    await product.lms.noFaults()
    clock.offset += 2 * 60_000
    assert.doesNotMatch((await someone.see('/signature')).text, /it cannot confirm that you are staff/)
    assert.equal((await someone.send('/nothing-there')).status, 404)
  })

  test('ends at the sign-out, even for a copy of its cookie', async () => {
    const someone = await operator(product, now)
    const [copy = ''] = (someone.cookies().lernito_console ?? '').split(';')
    const out = await someone.send('/sign-out')
    assert.deepEqual([out.status, out.location], [303, '/lernito/console/signed-out'])
    assert.deepEqual(Object.keys(someone.cookies()).sort(), ['lernito_known', 'sandbox_session'])
    assert.equal((await createVisitor().get(page, { cookie: copy })).status, 303)
    assert.equal((await someone.get(`${product.console}/signed-out`)).status, 200)
  })

  test('ends when the same browser signs in again, even for a copy of its cookie', async () => {
    const someone = await operator(product, now)
    const [copy = ''] = (someone.cookies().lernito_console ?? '').split(';')
    const start = await someone.get(`${product.console}/sign-in`)
    assert.equal((await someone.get((await someone.get(start.location)).location)).status, 303)
    assert.equal((await someone.see('/signature')).status, 200)
    assert.equal((await createVisitor().get(page, { cookie: copy })).status, 303)
  })
})
