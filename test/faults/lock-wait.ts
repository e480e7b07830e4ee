import { readdirSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Running, until } from '../service/process.ts'

/** Nothing tells outside Linux. The thread has surely begun to wait by then. */
const ELSEWHERE_MS = 1000

/** Whether a thread of the process waits for the lock of the database: SQLite sleeps between its attempts. */
export async function waitsForLock({ child }: Pick<Running, 'child'>): Promise<true | undefined> {
  if (process.platform !== 'linux') {
    await delay(ELSEWHERE_MS)
    return true
  }
  const tasks = `/proc/${child.pid}/task`
  const sleeps = (task: string): boolean => /nanosleep/.test(readFileSync(`${tasks}/${task}/wchan`, 'utf8'))
  return readdirSync(tasks).some(sleeps) || undefined
}

/**
 * Kills a service while what `begin` causes waits to be written, because another connection holds the lock of the file.
 * Resolves when `begin` has ended too, and the file is free.
 */
export async function killBeforeCommit(
  t: TestContext,
  { file, service, begin }: { file: string; service: Running; begin: () => unknown },
): Promise<void> {
  const other = new DatabaseSync(file, { timeout: 4000 })
  t.after(() => other.close())
  other.exec('begin immediate')
  const begun = begin()
  await until('the wait for the database', () => waitsForLock(service))
  service.child.kill('SIGKILL')
  await Promise.all([begun, service.ended])
  other.exec('rollback')
}
