import assert from 'node:assert/strict'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { exchange } from '../harness.ts'
import { temporaryFolder } from './process.ts'
import { BULK, sell, startHoldingLms, startLms, startServe } from './serving.ts'

const isAccepted = (status: number | undefined): boolean => status === 200 || status === 500

/** The buyers of all deliveries in a file, which must be whole. */
function buyersIn(file: string): string[] {
  const connection = new DatabaseSync(file, { readOnly: true })
  try {
    const [check] = connection.prepare('pragma integrity_check').all()
    assert.deepEqual({ ...check }, { integrity_check: 'ok' })
    const rows = connection.prepare('select email from deliveries order by email').all()
    return rows.map(({ email }) => String(email))
  } finally {
    connection.close()
  }
}

/** The copy that the service has made in the folder. */
function copyIn(folder: string): string {
  const copies = readdirSync(folder).filter((name) => name.includes('.saved-'))
  assert.equal(copies.length, 1, copies.join())
  const copy = join(folder, copies[0] ?? '')
  assert.equal(statSync(copy).mode & 0o777, 0o600)
  return copy
}

async function serving(t: TestContext, lmsUrl: string) {
  const folder = temporaryFolder(t)
  const service = await startServe({ t, folder, lmsUrl, env: { LERNITO_ANSWER_WITHIN_MS: '2500' } })
  const file = join(folder, 'lernito.db')
  /** Sells until a sale is refused. Returns the buyers of those that were accepted. */
  const sellUntilRefused = async (name: string): Promise<string[]> => {
    const accepted: string[] = []
    for (let i = 0; ; i++) {
      const email = `${name}.${i}@example.com`
      if (!isAccepted((await sell({ url: service.url, email }))?.status)) return accepted
      accepted.push(email)
    }
  }
  return { ...service, folder, file, sellUntilRefused }
}

test('when the file of the database is deleted, the service accepts nothing more, and ends with a copy of all that it has accepted', {
  timeout: 60_000,
}, async (t) => {
  const lms = await startHoldingLms(t)
  const { url, folder, file, child, ended, log, sellUntilRefused } = await serving(t, lms.url)
  assert.equal((await sell({ url, email: 'before@example.com' }))?.status, 200)
  await lms.faults([{ path: BULK, delayMs: 1 }])
  const hanging = sell({ url, email: 'hanging@example.com' })
  await lms.arrived
  rmSync(file)
  const accepted = await sellUntilRefused('after')
  assert.ok(accepted.length > 0)
  const readyz = await exchange({ url: `${url}/readyz`, method: 'GET' }).catch(() => null)
  assert.notEqual(readyz?.status, 200)
  assert.ok(!isAccepted((await sell({ url, email: 'late@example.com' }))?.status))
  assert.ok(isAccepted((await hanging)?.status))
  assert.equal(child.exitCode, null)
  const { code, stderr } = await ended
  assert.equal(code, 1)
  const copy = copyIn(folder)
  assert.match(stderr, /^The database file \S+lernito\.db was deleted, moved or replaced while the service used it\. /)
  assert.ok(stderr.includes(copy), stderr)
  assert.ok(log().some(({ level, msg }) => level === 'error' && /deleted, moved or replaced/.test(msg)))
  assert.deepEqual(buyersIn(copy), ['before@example.com', 'hanging@example.com', ...accepted].sort())
  lms.release()
  await lms.noFaults()
  const other = await startServe({ t, folder, lmsUrl: lms.url })
  const warned = other.log().filter(({ level, copies }) => level === 'warn' && Array.isArray(copies))
  assert.deepEqual(
    warned.map(({ copies }) => copies),
    [[copy]],
  )
  assert.match(String(warned[0]?.msg), /if sales are missing, put it in its place/)
  other.child.kill('SIGTERM')
  await other.ended
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
  renameSync(copy, file)
  const again = await startServe({ t, folder, lmsUrl: lms.url })
  assert.equal((await sell({ url: again.url, email: 'hanging@example.com' }))?.status, 200)
})

test('when the file of the database is replaced, the service ends with a copy of its own, and leaves the other file as it is', {
  timeout: 60_000,
}, async (t) => {
  const lms = await startLms(t)
  const { url, folder, file, ended, sellUntilRefused } = await serving(t, lms.url)
  assert.equal((await sell({ url, email: 'before@example.com' }))?.status, 200)
  const backup = new DatabaseSync(file)
  backup.exec(`vacuum into '${file}-backup'`)
  backup.close()
  assert.equal((await sell({ url, email: 'between@example.com' }))?.status, 200)
  renameSync(`${file}-backup`, file)
  const accepted = await sellUntilRefused('after')
  const { code, stderr } = await ended
  const copy = copyIn(folder)
  assert.deepEqual([code, stderr.includes(copy)], [1, true])
  assert.deepEqual(buyersIn(copy), ['before@example.com', 'between@example.com', ...accepted].sort())
  assert.ok(!existsSync(`${file}-wal`))
  assert.deepEqual(buyersIn(file), ['before@example.com'])
  const again = await startServe({ t, folder, lmsUrl: lms.url })
  assert.equal((await sell({ url: again.url, email: 'next@example.com' }))?.status, 200)
  assert.deepEqual(buyersIn(file), ['before@example.com', 'next@example.com'])
})
