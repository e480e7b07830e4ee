import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Running } from '../service/process.ts'

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
