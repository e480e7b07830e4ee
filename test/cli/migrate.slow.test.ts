import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type MariaDb, NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { run, temporaryFolder } from '../service/process.ts'
import { sell, serveEnv, startLms, startServe, storedDeliveries } from '../service/serving.ts'

const NOBODY = 'http://127.0.0.1:9'
const migrate = (env: Record<string, string>) => run({ args: ['migrate'], env })

describe('migrate', { concurrency: 2 }, () => {
  test('creates the tables of a new SQLite file; repeated, it changes nothing', async (t) => {
    const folder = temporaryFolder(t)
    for (const _time of ['first', 'second']) {
      const { code, stdout, stderr } = await migrate(serveEnv({ folder, lmsUrl: NOBODY }))
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
      assert.equal(stdout, `The database ${join(folder, 'lernito.db')} is up to date.\n`)
      assert.deepEqual(await storedDeliveries(folder), [])
    }
  })

  test('works beside a running service, which continues', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startLms(t)
    const { url } = await startServe({ t, folder, lmsUrl: lms.url })
    assert.equal((await migrate(serveEnv({ folder, lmsUrl: lms.url }))).code, 0)
    assert.equal((await sell({ url, email: 'alice@example.com' }))?.status, 200)
  })

  test('reports wrong settings of other parts too, with exit code 1', async (t) => {
    const env = { ...serveEnv({ folder: temporaryFolder(t), lmsUrl: NOBODY }), LERNITO_WEBHOOK_SECRET: 'YOUR_SECRET' }
    const { code, stdout, stderr } = await migrate(env)
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    assert.match(stderr, /^LERNITO_WEBHOOK_SECRET .*\n$/)
  })
})

describe('migrate on MariaDB', { skip: NO_MARIADB }, () => {
  let mariadb: MariaDb
  before(async () => {
    mariadb = await startMariaDb()
  })
  after(() => mariadb.remove())

  test('without the database, one line says what is missing; once it exists, it is migrated', async () => {
    const { name, url } = mariadb.newName()
    const env = { ...serveEnv({ folder: '.', lmsUrl: NOBODY }), LERNITO_DATABASE_URL: url }
    const early = await migrate(env)
    assert.deepEqual({ code: early.code, stdout: early.stdout }, { code: 1, stdout: '' })
    assert.match(
      early.stderr,
      new RegExp(`^The database ${name} at .*Unknown database.*Check LERNITO_DATABASE_URL: .*\\.\\n$`),
    )
    await mariadb.administer(`create database ${name}`)
    const { code, stdout, stderr } = await migrate(env)
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.equal(stdout, `The database ${name} at 127.0.0.1:${mariadb.port} is up to date.\n`)
    assert.notDeepEqual(await mariadb.administer(`select id from ${name}.migrations`), [])
  })
})
