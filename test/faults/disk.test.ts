import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspectDatabase } from '../../src/database/inspect.ts'
import { exchange } from '../harness.ts'
import { start, until } from '../service/process.ts'
import { BULK, serveEnv, startHoldingLms, startServe } from '../service/serving.ts'
import { createLedger } from './ledger.ts'
import { untilAllSettled } from './load.ts'

const run = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0

/** Makes a folder with a small disk in it and removes both after the test. null if this user may not mount a disk. */
function smallDisk(t: TestContext, mount: (disk: string, image: string) => boolean) {
  const beside = mkdtempSync(join(tmpdir(), 'lernito-test-'))
  const disk = join(beside, 'disk')
  const image = join(beside, 'image')
  mkdirSync(disk)
  t.after(() => {
    run('umount', '--lazy', disk)
    rmSync(beside, { recursive: true, force: true })
  })
  return mount(disk, image) ? { disk, image } : null
}

const sale = (number: number) => ({ email: `buyer${number}@example.com`, name: 'x'.repeat(250) })

test('while the disk is full, webhooks get 503; when there is space again, the service continues without a restart', {
  timeout: 180_000,
}, async (t) => {
  const mount = (at: string): boolean => run('mount', '-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', at)
  const folder = smallDisk(t, mount)?.disk
  if (folder === undefined)
    return t.skip('only root may mount a disk; test/service/full-disk.slow.test.ts does without')
  const lms = await startHoldingLms(t)
  const ledger = createLedger({ before: await lms.state() })
  const serving = await startServe({ t, folder, lmsUrl: lms.url, env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } })
  const database = `sqlite:${join(folder, 'lernito.db')}`
  const post = (number: number) => ledger.sell(serving.url, sale(number))
  for (let number = 0; number < 20; number++) assert.equal((await post(number))?.status, 200)

  // One sale is stored but can't be settled after its call. The service keeps the result until there is space.
  await lms.faults([{ method: 'POST', path: BULK, delayMs: 1, times: 1 }])
  const inWork = post(20)
  await lms.arrived
  fill(join(folder, 'ballast'))
  let number = 21
  for (let status: number | undefined = 0; status !== 503; number++) {
    assert.ok(number < 2000, 'the disk is never full')
    status = (await post(number))?.status
  }
  lms.release()
  for (let more = 0; more < 20; more++) assert.equal((await post(number++))?.status, 503)
  const ask = (path: string) => exchange({ url: `${serving.url}${path}`, method: 'GET' })
  assert.equal((await ask('/healthz')).status, 200)
  const ready = await ask('/readyz')
  assert.equal(ready.status, 503)
  assert.match(ready.text, /lernito\.db can't be used: database or disk is full/)
  assert.match((await ask('/metrics')).text, /^lernito_database_up 0$/m)
  await serving.logged(({ msg }) => msg === 'database unavailable; webhooks are refused')
  const { signal } = new AbortController()
  const inspected = await inspectDatabase({ url: database, now: Date.now, deadAfterMs: 20_000, signal })
  assert.ok(!inspected.ok && inspected.reason === `the disk of ${folder} is full`)
  assert.equal((await inWork)?.status, 500) // nobody knows when it can be stored

  rmSync(join(folder, 'ballast'))
  await until('the room', async () => (await ask('/readyz')).status === 200 || undefined)
  assert.equal((await post(number++))?.status, 200)
  await untilAllSettled(database)
  const { answered } = ledger.close('a full disk', await lms.state())
  assert.ok(answered(503) > 20)

  serving.child.kill('SIGKILL')
  await serving.ended
  fill(join(folder, 'ballast'))
  const again = await start({ t, args: ['serve'], env: serveEnv({ folder, lmsUrl: lms.url }) }).ended
  assert.equal(again.code, 1)
  assert.match(again.stderr, /lernito\.db can't be (opened|written to) \(.*full.*\)\. /)
  assert.doesNotMatch(again.stderr, /\n +at /)
})

test('while the disk is read-only, webhooks get 503; when it is writable again, no accepted sale is missing', {
  timeout: 180_000,
}, async (t) => {
  const mount = (at: string, image: string): boolean => run('mount', '-o', 'loop', image, at)
  const made = smallDisk(t, (at, image) => {
    writeFileSync(image, new Uint8Array(8 * 1024 * 1024))
    return run('mkfs.ext4', '-q', image) && mount(at, image)
  })
  if (made === null) return t.skip('only root may mount a disk')
  const { disk: folder, image } = made
  const lms = await startHoldingLms(t)
  const ledger = createLedger({ before: await lms.state() })
  const env = { LERNITO_LMS_CALLS_PER_MINUTE: '0' }
  const first = await startServe({ t, folder, lmsUrl: lms.url, env })
  for (let number = 0; number < 20; number++) await ledger.sell(first.url, sale(number))
  // One sale is stored but can't be settled any more, so its sender gets 500.
  await lms.faults([{ method: 'POST', path: BULK, delayMs: 1, times: 1 }])
  const inWork = ledger.sell(first.url, sale(20))
  await lms.arrived

  assert.ok(run('mount', '-o', 'remount,abort', folder)) // as the kernel does after a disk error
  lms.release()
  for (let number = 21; number < 31; number++) assert.equal((await ledger.sell(first.url, sale(number)))?.status, 503)
  assert.equal((await inWork)?.status, 500)
  first.child.kill('SIGKILL')
  await first.ended
  assert.ok(run('umount', folder) && mount(folder, image))

  const again = await startServe({ t, folder, lmsUrl: lms.url, env })
  assert.equal((await ledger.sell(again.url, sale(31)))?.status, 200)
  await untilAllSettled(`sqlite:${join(folder, 'lernito.db')}`)
  assert.equal(ledger.close('a read-only disk', await lms.state()).answered(503), 10)
})

/** Uses all the free space. */
function fill(file: string): void {
  for (let size = 65_536; size >= 512; size /= 2) {
    try {
      for (;;) writeFileSync(file, new Uint8Array(size), { flag: 'a' })
    } catch {} // no space for this size; try a smaller one
  }
}
