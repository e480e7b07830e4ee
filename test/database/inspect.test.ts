import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { reasonOf } from '../../src/database/availability.ts'
import { openDatabase } from '../../src/database/database.ts'
import { type Inspected, inspectDatabase } from '../../src/database/inspect.ts'
import { KNOWN_LEVEL, migrate } from '../../src/database/migrations/migrations.ts'
import { TIMING } from '../../src/queue/replicas/timing.ts'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { ROOT, temporaryFolder } from '../service/process.ts'
import { startServe } from '../service/serving.ts'

const NOBODY_ID = 65_534

/** Inspects as doctor does. */
const inspect = (url: string, triesLock = true): Promise<Inspected> =>
  inspectDatabase({
    url,
    now: Date.now,
    deadAfterMs: TIMING.deadAfterMs,
    triesLock,
    signal: AbortSignal.timeout(10_000),
  })
const inFolder = (folder: string): Promise<Inspected> => inspect(`sqlite:${join(folder, 'lernito.db')}`)

function found(inspected: Inspected) {
  assert.ok(inspected.ok, JSON.stringify(inspected))
  return inspected.found
}
function obstacle(inspected: Inspected): string {
  assert.ok(!inspected.ok)
  return inspected.obstacle
}

/** Holds a service's lock as the inspection does, but for longer. */
const INSPECT_FOR_50_MS = `
  const { parentPort, workerData } = require('node:worker_threads')
  const lock = new (require('node:sqlite').DatabaseSync)(workerData, { readOnly: true })
  lock.exec('BEGIN')
  lock.prepare('select 1 from sqlite_master').all()
  parentPort.postMessage('inspecting')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  lock.close()`

/** Every file with its digest. */
const contents = (folder: string) =>
  readdirSync(folder).map((file) => [
    file,
    createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex'),
  ])

async function migrated(url: string): Promise<void> {
  const database = openDatabase({ url, serve: false })
  await migrate({ database, now: Date.now })
  await database.close()
}

describe('a SQLite file', () => {
  test('that doesn’t exist has level 0, and is not created', async (t) => {
    const folder = temporaryFolder(t)
    const { level, oldestCode, services } = found(await inspect(`sqlite:${join(folder, 'new', 'data', 'lernito.db')}`))
    assert.deepEqual(
      { level, oldestCode, services },
      { level: 0, oldestCode: 0, services: { alive: 0, silent: 0, names: [] } },
    )
    assert.deepEqual(readdirSync(folder), [])
  })

  test('is inspected without leaving a trace', async (t) => {
    const folder = temporaryFolder(t)
    await migrated(`sqlite:${join(folder, 'lernito.db')}`)
    const before = contents(folder)
    assert.deepEqual(
      before.map(([file]) => file),
      ['lernito.db'],
    )
    assert.equal(found(await inFolder(folder)).level, KNOWN_LEVEL)
    assert.deepEqual(contents(folder), before)
  })

  test('of another program has level 0, and keeps its journal mode', async (t) => {
    const folder = temporaryFolder(t)
    const file = join(folder, 'lernito.db')
    writeFileSync(file, '')
    assert.equal(found(await inFolder(folder)).level, 0)
    assert.deepEqual(contents(folder).length, 1)
  })

  test('has one service from its start on, and none after its end', async (t) => {
    const folder = temporaryFolder(t)
    const serving = await startServe({ t, folder, lmsUrl: 'http://127.0.0.1:9' })
    const { names } = found(await inFolder(folder)).services
    assert.equal(names.length, 1)
    assert.deepEqual(found(await inFolder(folder)), {
      level: KNOWN_LEVEL,
      oldestCode: 1,
      clock: null,
      locked: false,
      server: null,
      services: { alive: 1, silent: 0, names },
      preEnrolled: [],
      endpoint: null,
    })
    serving.child.kill('SIGTERM')
    await serving.ended
    assert.equal(found(await inFolder(folder)).services.alive, 0)
  })

  test('of a killed service is read with its write-ahead log', async (t) => {
    const folder = temporaryFolder(t)
    const serving = await startServe({ t, folder, lmsUrl: 'http://127.0.0.1:9' })
    serving.child.kill('SIGKILL')
    await serving.ended
    const log = readFileSync(join(folder, 'lernito.db-wal'))
    const { level, services } = found(await inFolder(folder))
    assert.deepEqual({ level, alive: services.alive }, { level: KNOWN_LEVEL, alive: 0 })
    assert.deepEqual(readFileSync(join(folder, 'lernito.db-wal')), log)
  })

  test('is not locked while a transaction of this process goes on, which may need this thread to end', async (t) => {
    const folder = temporaryFolder(t)
    await migrated(`sqlite:${join(folder, 'lernito.db')}`)
    const writer = new DatabaseSync(join(folder, 'lernito.db'))
    t.after(() => writer.close())
    writer.exec('begin immediate')
    setTimeout(() => writer.exec('commit'), 200)
    assert.equal(found(await inFolder(folder)).locked, false)
  })

  test('is locked while another program keeps it from being written to', async (t) => {
    const folder = temporaryFolder(t)
    await migrated(`sqlite:${join(folder, 'lernito.db')}`)
    const other = new DatabaseSync(join(folder, 'lernito.db'))
    t.after(() => other.close())
    other.exec('begin immediate')
    assert.equal(found(await inFolder(folder)).locked, true)
    const asCommand = await inspect(`sqlite:${join(folder, 'lernito.db')}`, false)
    assert.equal(found(asCommand).locked, false, 'a command that only reads does not try')
    other.exec('rollback')
    assert.equal(found(await inFolder(folder)).locked, false)
  })

  test('lets a service start during an inspection', async (t) => {
    const file = join(temporaryFolder(t), 'lernito.db')
    const url = `sqlite:${file}`
    await openDatabase({ url, serve: true }).close()
    const inspector = new Worker(INSPECT_FOR_50_MS, { eval: true, workerData: `${file}.lock` })
    const ended = once(inspector, 'exit')
    await once(inspector, 'message')
    await openDatabase({ url, serve: true }).close()
    await ended
  })

  test('is unusable if it is a folder, below a file, or in another format', async (t) => {
    const folder = temporaryFolder(t)
    mkdirSync(join(folder, 'lernito.db'))
    assert.equal(obstacle(await inFolder(folder)), 'not_writable')
    writeFileSync(join(folder, 'text'), 'This is text, and long enough to have a header.'.repeat(10))
    assert.equal(obstacle(await inspect(`sqlite:${join(folder, 'text')}`)), 'unusable')
    assert.equal(obstacle(await inspect(`sqlite:${join(folder, 'text', 'lernito.db')}`)), 'not_writable')
  })

  test('with a second name is unusable, for a reason that fits into a sentence', async (t) => {
    const folder = temporaryFolder(t)
    await migrated(`sqlite:${join(folder, 'lernito.db')}`)
    linkSync(join(folder, 'lernito.db'), join(folder, 'other.db'))
    const inspected = await inFolder(folder)
    assert.equal(obstacle(inspected), 'unusable')
    assert.match('reason' in inspected ? inspected.reason : '', / has 2 hard links, .* and start again$/)
  })

  test('that this user may not write to is reported as such', (t) => {
    const folder = temporaryFolder(t)
    chmodSync(folder, 0o755)
    writeFileSync(join(folder, 'lernito.db'), '')
    const isRoot = process.getuid?.() === 0
    if (isRoot) chownSync(join(folder, 'lernito.db'), 0, 0)
    chmodSync(join(folder, 'lernito.db'), 0o444)
    const url = pathToFileURL(join(ROOT, 'src/database/inspect.ts'))
    const sqlite = JSON.stringify(`sqlite:${join(folder, 'lernito.db')}`)
    const script = `import { inspectDatabase } from ${JSON.stringify(url.href)}
      const of = { url: ${sqlite}, now: Date.now, deadAfterMs: 0, signal: AbortSignal.timeout(5000) }
      process.stdout.write(JSON.stringify(await inspectDatabase(of)))`
    const args = ['--input-type=module', '--eval', script]
    const identity = isRoot ? { uid: NOBODY_ID, gid: NOBODY_ID } : {}
    const said = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', cwd: '/', ...identity }))
    assert.deepEqual(
      [said.obstacle, said.reason],
      ['not_writable', `this user may not write to ${join(folder, 'lernito.db')}`],
    )
  })
})

test('the reason why a database cannot be used fits into a sentence, and names a fix if the server’s message does not', () => {
  assert.equal(reasonOf(new Error('Access denied. Account is locked.')), 'Access denied. Account is locked')
  assert.equal(reasonOf(Object.assign(new Error(''), { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
  const insecure = Object.assign(new Error('Connections using insecure transport are prohibited.'), { errno: 3159 })
  assert.match(reasonOf(insecure), /connections with TLS only; end LERNITO_DATABASE_URL with \?tls=verify$/)
})

describe('a database on MariaDB', { skip: NO_MARIADB }, async () => {
  const server = await startMariaDb()
  after(server.remove)
  const empty = async (): Promise<string> => (await server.newDatabase()).url

  test('that is empty has level 0, and gets no tables', async () => {
    const url = await empty()
    assert.equal(found(await inspect(url)).level, 0)
    const rows = await server.administer(`show tables in ${url.split('/').at(-1)}`)
    assert.deepEqual(rows, [])
  })

  test('that is migrated shows its level, its clock, and which replicas are alive', async () => {
    const url = await empty()
    await migrated(url)
    const name = url.split('/').at(-1)
    await server.administer(`insert into ${name}.replicas values ('old', 1), ('new', unix_timestamp() * 1000)`)
    const { level, oldestCode, clock, services } = found(await inspect(url))
    assert.deepEqual(
      { level, oldestCode, services },
      { level: KNOWN_LEVEL, oldestCode: 1, services: { alive: 1, silent: 1, names: ['new', 'old'] } },
    )
    assert.ok(clock !== null && Math.abs(clock.theirs - clock.ours) < 2_000)
  })

  test('without a server, a privilege, a database or the right password is reported as such', async () => {
    const url = await empty()
    assert.equal(obstacle(await inspect(url.replace(/:\d+\//, ':9/'))), 'unreachable')
    assert.equal(obstacle(await inspect(url.replace(/[^/]*$/, 'mysql'))), 'no_right')
    assert.equal(obstacle(await inspect(server.newName().url)), 'missing')
    assert.equal(obstacle(await inspect(url.replace(/:[^:@]*@/, ':wrong@'))), 'access_denied')
  })

  for (const [what, change] of [
    ['locked', 'account lock'],
    ['to change the password', 'password expire'],
  ] as const) {
    test(`whose user is ${what} is reported as such, and counts as unavailable`, async (t) => {
      const url = await empty()
      await server.administer(`create user late@'%' identified by 'late'; grant all on *.* to late@'%'`)
      t.after(() => server.administer('drop user late'))
      const theirs = url.replace(/:\/\/[^@]*@/, '://late:late@')
      assert.equal(found(await inspect(theirs)).level, 0)
      await server.administer(`alter user late@'%' ${change}`)
      assert.equal(obstacle(await inspect(theirs)), 'unusable')
      const database = openDatabase({ url: theirs, serve: true })
      t.after(database.close)
      const refused = await database.db.introspection.getTables().catch((error: unknown) => error)
      assert.equal(database.dialect.errorKindOf(refused), 'unavailable')
    })
  }
})
