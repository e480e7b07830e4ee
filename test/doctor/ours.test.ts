import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrations/migrations.ts'
import { CAUSE_GROUPS } from '../../src/doctor/check.ts'
import { startHandshakeProxy } from '../database/handshake-proxy.ts'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { type CertificateName, NO_TLS_SERVER, startTlsMariaDb } from '../mariadb-tls.ts'
import { freePort } from '../package/ports.ts'
import { temporaryFolder } from '../service/process.ts'
import { serveEnv, startLms, startServe } from '../service/serving.ts'
import { type Case, examined, nobody, resultOf, silent, testCauses } from './examining.ts'

/** Debian's package mariadb-server brings it along. */
const GALERA = '/usr/lib/galera/libgalera_smm.so'
const NOBODY = 'http://127.0.0.1:9'
const MARIADB = { skip: NO_MARIADB }
const server = NO_MARIADB ? null : await startMariaDb()
const tlsServer = NO_TLS_SERVER ? null : await startTlsMariaDb()
const TLS = { skip: NO_TLS_SERVER }
after(() => server?.remove())
after(() => tlsServer?.remove())

type Environment = Record<string, string>

/** A service without an LMS: only its own checks matter. */
const alone = (changes: (folder: string) => Environment | Promise<Environment>): Case['broken'] => {
  return async (t) => {
    const folder = temporaryFolder(t)
    return examined({ env: { ...serveEnv({ folder, lmsUrl: NOBODY }), ...(await changes(folder)) } })
  }
}

const at = async (url: string): Promise<Environment> => ({ LERNITO_DATABASE_URL: url })

/** A database over TLS whose server has this certificate. */
const certified = (name: CertificateName): Case['broken'] =>
  alone(async () => {
    await tlsServer?.use(name)
    const url = ((await tlsServer?.newDatabase())?.url ?? '').replace('127.0.0.1', 'localhost')
    return { LERNITO_DATABASE_URL: `${url}?tls=verify`, LERNITO_DATABASE_CA_FILE: tlsServer?.ca ?? '' }
  })

const clockOff = (ms: number): Case['broken'] => {
  return async (t) => {
    const { url } = await startLms(t)
    const env = serveEnv({ folder: temporaryFolder(t), lmsUrl: url })
    return examined({ env, now: () => Date.now() + ms })
  }
}

const CASES: Readonly<Record<keyof typeof CAUSE_GROUPS.ours, Case>> = {
  'settings.invalid': {
    rule: 'a setting that is not a number',
    found: 'settings',
    broken: alone(() => ({ LERNITO_PORT: 'eighty' })),
  },
  'settings.quoted': {
    rule: 'an application in quotation marks',
    found: 'settings',
    broken: alone(() => ({ LERNITO_LMS_CLIENT_ID: '"lernito-client"' })),
  },
  'settings.unknown': {
    rule: 'a setting with a typo in its name',
    found: 'settings',
    broken: alone(() => ({ LERNITO_POTR: '8790' })),
  },
  'settings.plain_http': {
    rule: 'notifications over plain HTTP to a public host',
    found: 'settings',
    broken: alone(() => ({ LERNITO_NOTIFY_URL: 'http://chat.example.com/hooks/x' })),
  },
  'settings.plain_database': {
    rule: 'a database on a public host without TLS',
    found: 'settings',
    broken: alone(() => at('mysql://lernito:pw@192.0.2.1/lernito')),
  },
  'settings.sample_secret': {
    rule: 'a secret from the documentation',
    found: 'settings',
    broken: alone(() => ({ LERNITO_WEBHOOK_SECRET: "'the secret of the shop'" })),
  },
  'secret.short': {
    rule: 'a secret of 15 characters',
    found: 'webhook.secret',
    broken: alone(() => ({ LERNITO_WEBHOOK_SECRET: 'x'.repeat(15) })),
  },
  'secret.short_key': {
    rule: 'a secret of Standard Webhooks with a key of 23 bytes',
    found: 'webhook.secret',
    broken: alone(() => ({ LERNITO_WEBHOOK_SECRET: `whsec_${Buffer.alloc(23).toString('base64')}` })),
  },
  'secret.space': {
    rule: 'a secret with a line break at its end',
    found: 'webhook.secret',
    broken: alone(() => ({ LERNITO_WEBHOOK_SECRET: 'a secret of good length\n' })),
  },
  'secret.quoted': {
    rule: 'a secret in quotation marks',
    found: 'webhook.secret',
    broken: alone(() => ({ LERNITO_WEBHOOK_SECRET: '"a secret of good length"' })),
  },
  'secret.previous': {
    rule: 'the previous secret is still accepted',
    found: 'webhook.secret',
    broken: alone(() => ({ LERNITO_WEBHOOK_SECRET_PREVIOUS: 'the secret before this one' })),
  },
  'database.not_writable': {
    rule: 'a file in place of the folder of the SQLite database',
    found: 'database',
    broken: alone((folder) => {
      writeFileSync(join(folder, 'file'), '')
      return { LERNITO_DATABASE_URL: `sqlite:${join(folder, 'file', 'data', 'lernito.db')}` }
    }),
  },
  'database.locked': {
    rule: 'another program that keeps the SQLite file locked',
    found: 'database',
    broken: async (t) =>
      alone(async (folder) => {
        const file = join(folder, 'lernito.db')
        const database = openDatabase({ url: `sqlite:${file}`, serve: false })
        await migrate({ database, now: Date.now })
        await database.close()
        const other = new DatabaseSync(file)
        t.after(() => other.close())
        other.exec('begin immediate')
        return at(`sqlite:${file}`)
      })(t),
  },
  'database.unreachable': {
    rule: 'no server at the address of the database',
    found: 'database',
    broken: async (t) => alone(async () => at(`mysql://lernito:pw@${await nobody(t)}/lernito`))(t),
  },
  'database.access_denied': {
    rule: 'a wrong password of MariaDB',
    found: 'database',
    broken: alone(async () => at((await server?.newDatabase())?.url.replace(/:[^:@]*@/, ':wrong@') ?? '')),
    ...MARIADB,
  },
  'database.missing': {
    rule: 'a database that MariaDB does not have',
    found: 'database',
    broken: alone(() => at(server?.newName().url ?? '')),
    ...MARIADB,
  },
  'database.no_right': {
    rule: 'a MariaDB database that the user may not use',
    found: 'database',
    broken: alone(async () => at((await server?.newDatabase())?.url.replace(/[^/]*$/, 'mysql') ?? '')),
    ...MARIADB,
  },
  'database.unusable': {
    rule: 'a file that is not a database',
    found: 'database',
    broken: alone((folder) => {
      writeFileSync(join(folder, 'lernito.db'), 'not a database, but long enough to be taken for one'.repeat(20))
      return {}
    }),
  },
  'database.tls_required': {
    rule: 'a connection without TLS to a MySQL that requires it',
    found: 'database',
    broken: async (t) => alone(async () => at(`mysql://lernito:pw@${await insecureTransport(t)}/lernito`))(t),
  },
  'database.tls_not_offered': {
    rule: 'a MariaDB without a certificate',
    found: 'database',
    broken: alone(async () => at(`${(await server?.newDatabase())?.url}?tls=verify`)),
    ...MARIADB,
  },
  'database.tls_untrusted': {
    rule: 'a certificate of another authority',
    found: 'database',
    broken: certified('otherAuthority'),
    ...TLS,
  },
  'database.tls_name': {
    rule: 'a certificate for another host',
    found: 'database',
    broken: certified('otherName'),
    ...TLS,
  },
  'database.tls_expired': {
    rule: 'a certificate of yesterday',
    found: 'database',
    broken: certified('expired'),
    ...(process.env.MYSQLD === undefined ? TLS : { skip: 'a MySQL refuses to load such a certificate' }),
  },
  'database.tls_failed': {
    rule: 'a server that answers the handshake with something else',
    found: 'database',
    broken: async (t) => {
      const proxy = await startHandshakeProxy(t, tlsServer?.port ?? 0)
      proxy.set({ direction: 'down', after: 200, how: 'garble' })
      return alone(async () => at(`mysql://lernito:pw@127.0.0.1:${proxy.port}/lernito?tls=verify`))(t)
    },
    ...TLS,
  },
  'database.read_only': {
    rule: 'a MariaDB that was made read-only for a failover',
    found: 'database',
    broken: async (t) => {
      const { url = '' } = (await server?.newDatabase()) ?? {}
      t.after(() => server?.administer('set global read_only = off'))
      await server?.administer('set global read_only = on')
      return alone(() => at(url))(t)
    },
    ...MARIADB,
  },
  'database.galera': {
    rule: 'a node of a Galera cluster',
    found: 'database',
    broken: async (t) => {
      const node = await startMariaDb({ options: await galeraOptions() })
      t.after(() => node.remove())
      const { url } = await node.newDatabase()
      return alone(() => at(url))(t)
    },
    ...(existsSync(GALERA) ? MARIADB : { skip: `no ${GALERA} on this machine` }),
  },
  'database.too_new': {
    rule: 'a database that a newer version migrated',
    found: 'database.level',
    broken: alone(async (folder) => {
      const url = `sqlite:${join(folder, 'lernito.db')}`
      await migrateBeyond(url)
      return at(url)
    }),
  },
  'clock.off': { rule: 'a clock that is 20 seconds behind', found: 'lms.clock', broken: clockOff(20_000) },
  'clock.wrong': { rule: 'a clock that is two minutes ahead', found: 'lms.clock', broken: clockOff(-120_000) },
}

/** A cluster of one node. */
const galeraOptions = async (): Promise<string[]> => [
  '--wsrep-on=ON',
  `--wsrep-provider=${GALERA}`,
  '--wsrep-cluster-address=gcomm://',
  `--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:${await freePort()}`,
  '--binlog-format=ROW',
  '--innodb-autoinc-lock-mode=2',
]

/** A server that refuses every client as a MySQL with require_secure_transport does. MariaDB says "access denied". */
async function insecureTransport(t: TestContext): Promise<string> {
  const text = '#HY000Connections using insecure transport are prohibited while --require_secure_transport=ON.'
  const error = Buffer.concat([Buffer.from([0, 0, 0, 0, 0xff, 3159 & 0xff, 3159 >> 8]), Buffer.from(text)])
  error.writeUInt8(error.length - 4, 0)
  return silent(t, (socket) => socket.end(error))
}

async function migrateBeyond(url: string): Promise<void> {
  const database = openDatabase({ url, serve: false })
  await migrate({ database, now: Date.now })
  await sql`insert into migrations (id, oldest_code, applied_at) values (99, 99, 0)`.execute(database.db)
  await database.close()
}

testCauses(CAUSE_GROUPS.ours, CASES)

test('all wrong settings are reported at once, and the other checks are skipped', async () => {
  const results = await examined({ env: { LERNITO_PORT: 'eighty' } })
  const [settings, ...others] = results
  assert.deepEqual(settings?.problems.map(({ message }) => message.split(' ')[0]).sort(), [
    'LERNITO_LMS_CLIENT_ID',
    'LERNITO_LMS_CLIENT_SECRET',
    'LERNITO_LMS_URL',
    'LERNITO_PORT',
    'LERNITO_WEBHOOK_SECRET',
  ])
  for (const { status, detail } of others) {
    assert.equal(status, 'skipped')
    assert.match(detail ?? '', /^needs \S+ first$/)
  }
})

test('all problems of a secret are reported, with the name of the setting', async (t) => {
  const results = await alone(() => ({ LERNITO_WEBHOOK_SECRET_PREVIOUS: ' short-one' }))(t)
  const { problems } = resultOf(results, 'webhook.secret')
  assert.deepEqual(
    problems.map(({ cause }) => cause),
    ['secret.short', 'secret.space', 'secret.previous'],
  )
  assert.ok(problems.every(({ message }) => message.startsWith('LERNITO_WEBHOOK_SECRET_PREVIOUS ')))
})

test('a database file that does not exist yet is no problem: the service creates it', async (t) => {
  const results = await alone(() => ({}))(t)
  assert.equal(resultOf(results, 'database').status, 'ok')
  assert.match(resultOf(results, 'database.level').detail ?? '', /^not migrated yet/)
  assert.match(resultOf(results, 'database.services').detail ?? '', /^no service/)
})

test('a service that runs on the file is reported, and continues', async (t) => {
  const folder = temporaryFolder(t)
  const serving = await startServe({ t, folder, lmsUrl: NOBODY })
  const results = await examined({ env: serveEnv({ folder, lmsUrl: NOBODY }) })
  assert.deepEqual(
    (['database', 'database.level', 'database.services'] as const).map((id) => resultOf(results, id).status),
    ['ok', 'ok', 'ok'],
  )
  assert.match(resultOf(results, 'database.services').detail ?? '', /^a service is running/)
  serving.child.kill('SIGTERM')
  assert.equal((await serving.ended).code, 0)
})

describe('on MariaDB', MARIADB, () => {
  const services = async (url: string): Promise<string | null> => {
    const env = { ...serveEnv({ folder: '.', lmsUrl: NOBODY }), LERNITO_DATABASE_URL: url }
    return resultOf(await examined({ env }), 'database.services').detail
  }

  test('services that are alive and services that stopped sending heartbeats are counted', async (t) => {
    const { url = '' } = (await server?.newDatabase()) ?? {}
    assert.equal(await services(url), '0 services are alive')
    await startServe({ t, folder: '.', lmsUrl: NOBODY, env: { LERNITO_DATABASE_URL: url } })
    assert.equal(await services(url), '1 service is alive')
    await server?.administer(`insert into ${url.split('/').at(-1)}.replicas values ('old', 1000)`)
    assert.match((await services(url)) ?? '', /^1 service is alive; 1 stopped sending heartbeats/)
  })

  test('the clock of the database is compared with this machine’s', async () => {
    const { url = '' } = (await server?.newDatabase()) ?? {}
    const env = { ...serveEnv({ folder: '.', lmsUrl: NOBODY }), LERNITO_DATABASE_URL: url }
    assert.equal(resultOf(await examined({ env }), 'database.clock').status, 'ok')
    const late = resultOf(await examined({ env, now: () => Date.now() + 20_000 }), 'database.clock')
    assert.deepEqual(
      late.problems.map(({ message }) => message),
      ["The clock of the database is 20 s behind this machine's."],
    )
  })

  test('a service on it proves at the public address which one it is', async (t) => {
    const { url = '' } = (await server?.newDatabase()) ?? {}
    const settings = { ...serveEnv({ folder: '.', lmsUrl: NOBODY }), LERNITO_DATABASE_URL: url }
    const { url: address } = await startServe({ t, folder: '.', lmsUrl: NOBODY, env: settings })
    const results = await examined({ env: { ...settings, LERNITO_PUBLIC_URL: address } })
    assert.equal(resultOf(results, 'public_url').status, 'ok')
  })

  test('the name of the database is shown, but not its password', async () => {
    const { url = '' } = (await server?.newDatabase()) ?? {}
    const env = { ...serveEnv({ folder: '.', lmsUrl: NOBODY }), LERNITO_DATABASE_URL: url }
    assert.match(resultOf(await examined({ env }), 'database').detail ?? '', /^lernito_\d+ at 127\.0\.0\.1:\d+$/)
  })
})
