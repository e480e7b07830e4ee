import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT, temporaryFolder } from './process.ts'
import { sell, startServe } from './serving.ts'
import { skipWithoutStrace, strace } from './strace.ts'

const SALES = 5

/** The steps of a trace that this test is about, in order: write-ahead log written, synced to disk, answer sent. */
function stepsOf(trace: string): ('written' | 'synced' | 'answered')[] {
  const syncing = new Set<string>()
  return trace.split('\n').flatMap((line) => {
    const [, thread = '', call = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (/^pwrite64\(\d+<[^>]*-wal>/.test(call)) return ['written']
    if (/^(write|writev|sendto|sendmsg)\(.*HTTP\/1\.1 202/.test(call)) return ['answered']
    if (/^f(data)?sync\(\d+<[^>]*-wal>/.test(call)) {
      if (/= 0$/.test(call)) return ['synced']
      syncing.add(thread)
    }
    if (/^<\.\.\. f(data)?sync resumed>.*= 0$/.test(call) && syncing.delete(thread)) return ['synced']
    return []
  })
}

test('an accepted sale is on disk before the sender gets its answer', {
  timeout: 60_000,
  skip: skipWithoutStrace,
}, async (t) => {
  const folder = temporaryFolder(t)
  const trace = join(folder, 'trace')
  const calls = 'trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg'
  const serving = await startServe({
    t,
    folder,
    lmsUrl: 'http://127.0.0.1:9',
    env: { LERNITO_ANSWER_WITHIN_MS: '0' },
    command: [...strace('-y', '-s', '16', '-e', calls, '-o', trace), process.execPath, join(ROOT, 'src/cli/main.ts')],
  })
  for (let i = 0; i < SALES; i++) {
    assert.equal((await sell({ url: serving.url, email: `buyer${i}@example.com` }))?.status, 202)
  }
  serving.child.kill('SIGTERM')
  await serving.ended
  const steps = stepsOf(readFileSync(trace, 'utf8'))
  assert.equal(steps.filter((step) => step === 'answered').length, SALES)
  for (const [i, step] of steps.entries()) {
    if (step !== 'answered') continue
    const before = steps.slice(0, i)
    const [written, synced] = [before.lastIndexOf('written'), before.lastIndexOf('synced')]
    assert.ok(written >= 0 && synced > written, `answered with the log unsynced: ${before.slice(-6).join(', ')}`)
  }
})
