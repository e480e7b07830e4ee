import assert from 'node:assert/strict'
import { after, describe, type TestContext, test } from 'node:test'
import type { MysqlPoolConnection } from 'kysely'
import { z } from 'zod'
import { createBoundedPool } from '../../src/database/mysql/pool.ts'
import { silent } from '../doctor/examining.ts'
import { NO_MARIADB, PASSWORD, startMariaDb } from '../mariadb.ts'
import { until } from '../service/process.ts'

const MOST = 8

describe('the pool of connections to MariaDB', { skip: NO_MARIADB }, async () => {
  const mariadb = await startMariaDb()
  after(mariadb.remove)

  const open = async (t: TestContext, idleTimeoutMs = 60_000, port = mariadb.port) => {
    const database = new URL((await mariadb.newDatabase()).url).pathname.slice(1)
    const server = { host: '127.0.0.1', port, user: 'lernito', password: PASSWORD, database, tls: null }
    const pool = createBoundedPool({ server, idleTimeoutMs })
    const end = () => new Promise<void>((resolve) => pool.end(() => resolve()))
    t.after(end)
    const take = () =>
      new Promise<MysqlPoolConnection>((resolve, reject) => {
        pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection)))
      })
    const takeAll = () => Promise.all(Array.from({ length: MOST }, take))
    /** The ids of the connections as the server counts them. */
    const ids = async (): Promise<number[]> => {
      const rows = await mariadb.administer(
        `select id as id from information_schema.processlist where db = '${database}' order by id`,
      )
      return z
        .array(z.object({ id: z.number() }))
        .parse(rows)
        .map(({ id }) => id)
    }
    return { take, takeAll, end, ids }
  }
  const ask = (connection: MysqlPoolConnection, sql = 'select 1') =>
    new Promise((resolve, reject) => {
      connection.query(sql, [], (error, result) => (error ? reject(error) : resolve(result)))
    })

  test('there are never more than eight, and those who wait for one get it in turn', async (t) => {
    const { take, takeAll, ids } = await open(t)
    const used = await takeAll()
    const order: number[] = []
    const waiting = [1, 2, 3].map(async (number) => {
      const connection = await take()
      order.push(number)
      return connection
    })
    assert.equal((await ids()).length, MOST)
    assert.deepEqual(order, [])
    for (const connection of used) connection.release()
    for (const connection of await Promise.all(waiting)) assert.deepEqual(await ask(connection), [{ 1: 1 }])
    assert.deepEqual(order, [1, 2, 3])
    assert.equal((await ids()).length, MOST)
  })

  test('nobody waits longer than nine seconds, and a caller that gave up gets none', async (t) => {
    const { take, takeAll } = await open(t)
    const [first] = await takeAll()
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const late = assert.rejects(take(), { code: 'ETIMEDOUT', message: 'no free connection within 9 s' })
    t.mock.timers.tick(9000)
    await late
    const next = take()
    t.mock.timers.reset()
    first?.release()
    assert.deepEqual(await ask(await next), [{ 1: 1 }])
  })

  test('one that the server closes makes room for a new one', async (t) => {
    const { take, takeAll, ids } = await open(t)
    const used = await takeAll()
    const next = take()
    const [victim] = await ids()
    await mariadb.administer(`kill ${victim}`)
    const connection = await next
    assert.notEqual(connection.threadId, victim)
    assert.deepEqual(await ask(connection), [{ 1: 1 }])
    const lost = used.find(({ threadId }) => threadId === victim)
    assert.ok(lost)
    await assert.rejects(ask(lost), { fatal: true })
    lost.release()
    const later = take()
    connection.release()
    assert.deepEqual(await ask(await later), [{ 1: 1 }])
    assert.equal((await ids()).length, MOST)
  })

  test('when the server takes no more writes, all from before are closed after their use, and the next are new', async (t) => {
    const { take, takeAll, ids } = await open(t)
    const before = await takeAll()
    const [writing, reading, ...idle] = before
    assert.ok(writing && reading)
    for (const connection of idle) connection.release()
    await ask(writing, 'create table sold (id int)')
    await ask(reading, 'begin')
    await mariadb.administer('set global read_only = on')
    t.after(() => mariadb.administer('set global read_only = off'))
    await assert.rejects(ask(writing, 'insert into sold values (1)'), { errno: 1290 })
    assert.deepEqual(await ask(reading), [{ 1: 1 }])
    await ask(reading, 'commit')
    writing.release()
    reading.release()
    const began = performance.now()
    await until('the end of all', async () => (await ids()).length === 0 || undefined)
    assert.ok(performance.now() - began < 10_000) // and not after 30 s, when those that nobody uses take their leave
    const known = before.map(({ threadId }) => threadId)
    const after = await take()
    assert.ok(!known.includes(after.threadId))
    await mariadb.administer('set global read_only = off')
    await ask(after, 'insert into sold values (1)')
    after.release()
    assert.equal((await take()).threadId, after.threadId)
  })

  test('when all are in use and the server takes no more writes, those who wait get a new one', async (t) => {
    const { take, takeAll } = await open(t)
    const [first, ...others] = await takeAll()
    assert.ok(first)
    const waiting = take()
    await ask(first, 'set session transaction read only')
    await assert.rejects(ask(first, 'create table sold (id int)'), { errno: 1792 })
    first.release()
    const next = await waiting
    assert.ok(![first, ...others].some(({ threadId }) => threadId === next.threadId))
    await ask(next, 'create table sold (id int)')
  })

  for (const names of ['latin1', 'utf8mb3']) {
    test(`texts stay as they are on a server that sets the character set ${names} for its clients`, async (t) => {
      await mariadb.administer(`set global init_connect = 'set names ${names}'`)
      t.after(() => mariadb.administer("set global init_connect = ''"))
      const connection = await (await open(t)).take()
      await ask(connection, 'create table names (name varchar(20)) default charset = utf8mb4 collate = utf8mb4_bin')
      await ask(connection, "insert into names values ('Zoë Łukasz 😀')")
      assert.deepEqual(await ask(connection, 'select name, char_length(name) as characters from names'), [
        { name: 'Zoë Łukasz 😀', characters: 12 },
      ])
      connection.release()
    })
  }

  test('a statement outside of a transaction is committed on a server that turns autocommit off for its clients', async (t) => {
    await mariadb.administer('set global autocommit = 0')
    t.after(() => mariadb.administer('set global autocommit = 1'))
    const { take } = await open(t)
    const [writing, reading] = [await take(), await take()]
    await ask(writing, 'create table kept (id int)')
    await ask(writing, 'insert into kept values (1)')
    assert.deepEqual(await ask(reading, 'select id from kept'), [{ id: 1 }])
    writing.release()
    reading.release()
  })

  test('one that was released twice is used once', async (t) => {
    const { take, takeAll } = await open(t)
    const [first] = await takeAll()
    const waiting = [take(), take()]
    first?.release()
    first?.release()
    await waiting[0]
    assert.equal(
      await Promise.race([waiting[1], ask(first ?? (await take())).then(() => 'still waiting')]),
      'still waiting',
    )
    void waiting[1]?.catch(() => {}) // the end of the pool
  })

  test('those that nobody uses take their leave before the server closes them', async (t) => {
    const aborted = () => mariadb.administer("show global status like 'Aborted_clients'")
    const before = await aborted()
    const { takeAll, ids } = await open(t, 400)
    for (const connection of await takeAll()) connection.release()
    await until('the end of all', async () => (await ids()).length === 0 || undefined)
    assert.deepEqual(await aborted(), before)
  })

  test('at its end all are closed, and a caller that waits or comes later gets an error', async (t) => {
    const { take, takeAll, end, ids } = await open(t)
    for (const connection of (await takeAll()).slice(1)) connection.release()
    await takeAllBut(take, 1)
    const waiting = assert.rejects(take(), { message: 'Pool is closed.' })
    await end()
    await waiting
    await assert.rejects(take(), { message: 'Pool is closed.' })
    await until('the end of all', async () => (await ids()).length === 0 || undefined)
  })

  test('its end takes less than a second while a statement hangs, and so does a server that is being connected', async (t) => {
    const { take, end } = await open(t)
    const hanging = assert.rejects(ask(await take(), 'select sleep(60)'))
    const silentPort = Number((await silent(t)).split(':')[1])
    const other = await open(t, 60_000, silentPort)
    const opening = assert.rejects(other.take())
    const began = performance.now()
    await Promise.all([end(), other.end(), hanging, opening])
    assert.ok(performance.now() - began < 1000)
  })
})

const takeAllBut = (take: () => Promise<MysqlPoolConnection>, used: number) =>
  Promise.all(Array.from({ length: MOST - used }, take))
