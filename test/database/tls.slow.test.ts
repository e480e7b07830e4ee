import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, describe, type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../src/database/database.ts'
import { startMariaDb } from '../mariadb.ts'
import { NO_TLS_SERVER, startTlsMariaDb } from '../mariadb-tls.ts'
import { readyz, startReplica, untilReady } from '../queue/replicas/serving.ts'
import { run, until } from '../service/process.ts'
import { sell, serveEnv, startLms } from '../service/serving.ts'
import { startHandshakeProxy } from './handshake-proxy.ts'

const NOBODY = 'http://127.0.0.1:9'

/** What each wrong certificate of the server leads to. A MySQL refuses to load one of its own that has expired. */
const WRONG = (
  [
    [
      'otherAuthority',
      /^no certificate authority .*\((?:UNABLE_TO_\w+|SELF_SIGNED_CERT_IN_CHAIN)\); set LERNITO_DATABASE_CA_FILE to the file/,
    ],
    ['selfSigned', /^no certificate authority .*\(DEPTH_ZERO_SELF_SIGNED_CERT\); set LERNITO_DATABASE_CA_FILE to/],
    [
      'otherName',
      /^the server's certificate is for another name \(.*DNS:db\.example\.com.*\); write a name of the certif/,
    ],
    ['expired', /^the certificate of the server or .* has expired \(CERT_HAS_EXPIRED\); renew it on the server$/],
  ] as const
).filter(([name]) => name !== 'expired' || process.env.MYSQLD === undefined)

const why = (text: string | undefined): string =>
  /can't be used: (.*?)\. (The service|Check)/.exec(text ?? '')?.[1] ?? ''

describe('a database over TLS', { skip: NO_TLS_SERVER }, async () => {
  const server = await startTlsMariaDb()
  after(server.remove)

  const newUrl = async (host = 'localhost', end = '?tls=verify'): Promise<string> =>
    `${(await server.newDatabase()).url.replace('127.0.0.1', host)}${end}`
  const migrate = async (url: string, env: Record<string, string> = { LERNITO_DATABASE_CA_FILE: server.ca }) => {
    const settings = { ...serveEnv({ folder: '.', lmsUrl: NOBODY }), LERNITO_DATABASE_URL: url, ...env }
    return run({ args: ['migrate'], env: settings })
  }
  const query = async (t: TestContext, url: string, ca: string | null) => {
    const database = openDatabase({ url, ca, serve: false })
    t.after(database.close)
    return sql<{ answer: number }>`select 1 as answer`.execute(database.db)
  }

  test('serve waits with the reason while the certificate is wrong, and is ready soon after it is right', async (t) => {
    const lms = await startLms(t)
    await server.use('otherAuthority')
    const env = { LERNITO_DATABASE_CA_FILE: server.ca }
    const replica = await startReplica({ t, databaseUrl: await newUrl(), lmsUrl: lms.url, ready: false, env })
    for (const [name, words] of WRONG) {
      await server.use(name)
      await until(name, async () => words.test(why((await readyz(replica)).reason)) || undefined)
    }
    await server.use('good')
    await untilReady(replica)
    assert.equal((await sell({ url: replica.url, email: 'alice@example.com' }))?.status, 200)
  })

  for (const [name, words] of WRONG) {
    test(`migrate ends with the cause and what to do: ${name}`, async (t) => {
      await server.use(name)
      t.after(() => server.use('good'))
      const { code, stdout, stderr } = await migrate(await newUrl())
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
      assert.match(why(stderr), words)
    })
  }

  test('an authority that the service does not trust is refused: that of another file, and none of the system', async (t) => {
    for (const env of [{ LERNITO_DATABASE_CA_FILE: server.otherCa }, {}]) {
      const { code, stderr } = await migrate(await newUrl(), env)
      assert.equal(code, 1)
      assert.match(why(stderr), WRONG[0]?.[1] ?? /^$/)
    }
    await assert.rejects(query(t, await newUrl(), null), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })
  })

  test('without a file, the authorities of the operating system are trusted', async () => {
    const { code, stderr } = await migrate(await newUrl(), { SSL_CERT_FILE: server.ca })
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  })

  test('a host that is written as an address must be in the certificate as an address', async (t) => {
    const ca = await readFile(server.ca, 'utf8')
    assert.equal((await query(t, await newUrl('127.0.0.1'), ca)).rows[0]?.answer, 1)
    await server.use('onlyLocalhost')
    t.after(() => server.use('good'))
    assert.equal((await query(t, await newUrl('localhost'), ca)).rows[0]?.answer, 1)
    await assert.rejects(query(t, await newUrl('127.0.0.1'), ca), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  test('a password that the server has not cached is accepted over TLS', async (t) => {
    // With caching_sha2_password, the default of a MySQL, the client then sends the password itself.
    await server.administer('flush privileges')
    const ca = await readFile(server.ca, 'utf8')
    assert.equal((await query(t, await newUrl(), ca)).rows[0]?.answer, 1)
    const plugin = await server.administer("select plugin from mysql.user where user = 'lernito'")
    t.diagnostic(JSON.stringify(plugin))
  })

  test('without TLS, a server that requires it refuses the service, and the message names the remedy', async () => {
    for (const end of ['', '?tls=off']) {
      const { code, stderr } = await migrate(await newUrl('localhost', end), {})
      assert.equal(code, 1)
      assert.match(why(stderr), /requires? TLS|with TLS only/)
      assert.match(why(stderr), /end LERNITO_DATABASE_URL with \?tls=verify$/)
    }
  })

  test('with ?tls=verify, a server without TLS gets no password', async (t) => {
    const plain = await startMariaDb()
    t.after(plain.remove)
    const proxy = await startHandshakeProxy(t, plain.port)
    const { url } = await plain.newDatabase()
    const { code, stderr } = await migrate(`${url.replace(`:${plain.port}/`, `:${proxy.port}/`)}?tls=verify`)
    assert.equal(code, 1)
    assert.equal(proxy.passed().up, 0)
    assert.match(why(stderr), /^the server offers no TLS \(HANDSHAKE_NO_SSL_SUPPORT\); .* \?tls=off$/)
  })

  test('a later connection resumes the TLS session: the server sends its certificate only once', async (t) => {
    const proxy = await startHandshakeProxy(t, server.port)
    const url = (await newUrl()).replace(`:${server.port}/`, `:${proxy.port}/`)
    const database = openDatabase({ url, ca: await readFile(server.ca, 'utf8'), serve: false })
    t.after(database.close)
    const connect = async (): Promise<number> => {
      const { rows } = await sql<{ id: number }>`select connection_id() as id`.execute(database.db)
      const { down } = proxy.passed()
      await server.administer(`kill ${rows[0]?.id}`)
      await until('the end of the connection', () => proxy.open() === 0 || undefined)
      return down
    }
    const [full, ...resumed] = [await connect(), await connect(), await connect()]
    t.diagnostic(`${full} bytes from the server, then ${resumed}`)
    for (const bytes of resumed) assert.ok(bytes < full * 0.6, `${resumed} of ${full}`)
  })
})
