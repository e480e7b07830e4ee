import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrations/migrations.ts'
import { emptyUrl } from '../queue/harness.ts'
import { startChild } from './processes.ts'

const now = Date.now
const ALL = ['lernito.db', 'lernito.db-shm', 'lernito.db-wal', 'lernito.db.lock', 'lernito.db.lock-journal']

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)
const modesIn = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, modeOf(join(folder, name))]))
const owners = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, '600']))

function withUmask(t: TestContext, mask: number): void {
  const before = process.umask(mask)
  t.after(() => process.umask(before))
}

async function open(t: TestContext, url: string): Promise<void> {
  const database = openDatabase({ url, serve: true })
  t.after(() => database.close())
  await migrate({ database, now })
}

for (const mask of [0o000, 0o022, 0o077, 0o277]) {
  test(`umask ${mask.toString(8)}: only the owner may read the files of a new database`, async (t) => {
    const url = await emptyUrl(t)
    withUmask(t, mask)
    await open(t, url)
    assert.deepEqual(modesIn(dirname(url.slice('sqlite:'.length))), owners(ALL))
  })
}

test('only the owner may open a folder that is created for the database; an existing folder is not changed', async (t) => {
  const url = await emptyUrl(t)
  const folder = dirname(url.slice('sqlite:'.length))
  chmodSync(folder, 0o755)
  withUmask(t, 0)
  await open(t, url.replace('lernito.db', 'a/b/lernito.db'))
  assert.deepEqual([modeOf(join(folder, 'a')), modeOf(join(folder, 'a/b')), modeOf(folder)], ['700', '700', '755'])
})

test('database files that others could read become private, even those of a killed service', async (t) => {
  const url = await emptyUrl(t)
  const folder = dirname(url.slice('sqlite:'.length))
  const dead = await startChild(t, 'serve', url)
  const exit = once(dead, 'exit')
  dead.kill('SIGKILL')
  await exit
  assert.deepEqual(readdirSync(folder).sort(), ALL)
  for (const name of ALL) chmodSync(join(folder, name), 0o666)
  await open(t, url)
  assert.deepEqual(modesIn(folder), owners(ALL))
})

test('a command that opens a database makes its files private', async (t) => {
  const url = await emptyUrl(t)
  const folder = dirname(url.slice('sqlite:'.length))
  withUmask(t, 0)
  const database = openDatabase({ url, serve: false })
  await migrate({ database, now })
  assert.deepEqual(modesIn(folder), owners(ALL.slice(0, 3)))
  await database.close()
})

test('a database that is opened twice keeps its lock: the second check of its mode does not release it', async (t) => {
  const url = await emptyUrl(t)
  await open(t, url)
  assert.throws(() => openDatabase({ url, serve: true }), /is already running on /)
  // Only another process sees the locks as the kernel does.
  await assert.rejects(startChild(t, 'serve', url), /the child ended/)
})

test('a name that leads to no file is reported with the setting to fix', async (t) => {
  const url = await emptyUrl(t)
  const file = url.slice('sqlite:'.length)
  mkdirSync(file)
  writeFileSync(join(file, 'x'), '')
  assert.throws(() => openDatabase({ url, serve: false }), /can't be opened .*LERNITO_DATABASE_URL/)
})
