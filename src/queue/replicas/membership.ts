import { setTimeout as delay } from 'node:timers/promises'
import { type Availability, reasonOf, retryOnce } from '../../database/availability.ts'
import type { Database, DatabaseClock } from '../../database/dialect.ts'
import { migrate } from '../../database/migrations/migrations.ts'
import { AppError } from '../../service/lib/errors.ts'
import { createWakeUp } from '../../service/lib/loop.ts'
import { recover } from '../due.ts'
import type { Replicas } from './replicas.ts'
import type { Timing } from './timing.ts'

const RETRY_MS = 1000
const LEAVE_MS = 500

interface MembershipParts {
  readonly database: Database
  readonly replicas: Replicas
  readonly availability: Availability
  readonly clock: DatabaseClock
  readonly timing: Timing
  /** Called with the number of replicas that were pruned. */
  readonly onPruned: (replicas: number) => void
}

export interface Membership {
  /**
   * Migrates and joins. If no other replica can be alive, resolves to how many deliveries a process left in the queue.
   * Throws what the database throws.
   */
  enter(): Promise<number>
  /** Enters as soon as the database is available, unless it has entered already, and sends heartbeats until it leaves. */
  run(onEntered: () => void): void
  /** Call it when the database becomes unavailable: the next heartbeat is sent at once. */
  wake(): void
  /** Stops the heartbeat and leaves. If that can't be written within 500 ms, the others prune this replica. */
  leave(): Promise<void>
}

/**
 * This replica's membership of the database: it joins, sends heartbeats, prunes dead replicas and leaves. While the
 * database is unavailable, it is the only part that keeps retrying.
 */
export function createMembership(parts: MembershipParts): Membership {
  const { replicas, availability, timing } = parts
  const { heartbeatMs } = timing
  const { dialect, name } = parts.database
  const wakeUp = createWakeUp()
  const leaving = new AbortController()
  let entered = false
  let running: Promise<void> = Promise.resolve()

  const enter = async (): Promise<number> => {
    const left = await join(parts).catch(asUnusable)
    entered = true
    availability.note(null)
    return left
  }

  /** Nothing repeats the start with a file. */
  const asUnusable = (error: unknown): never => {
    if (!dialect.exclusive || dialect.errorKindOf(error) !== 'unavailable') throw error
    throw new AppError(
      'database.unreachable',
      `The database ${name} can't be written to (${reasonOf(error)}). Make room on its disk, repair the disk, or end the program that keeps the file locked, and start the service again.`,
      { cause: error },
    )
  }

  const fail = (error: unknown): void => {
    if (leaving.signal.aborted || dialect.errorKindOf(error) === 'conflict') return // a conflict is over by the next heartbeat
    availability.note(error)
  }

  const step = async (onEntered: () => void): Promise<void> => {
    if (entered) return retryOnce({ dialect, work: () => beat(parts) })
    await enter()
    onEntered()
  }

  const run = async (onEntered: () => void): Promise<void> => {
    while (!leaving.signal.aborted) {
      const woken = wakeUp.listen()
      await step(onEntered).catch(fail)
      await woken(availability.reason() === null ? heartbeatMs : Math.min(RETRY_MS, heartbeatMs), leaving.signal)
    }
  }

  return {
    enter,
    run: (onEntered) => {
      running = run(onEntered)
    },
    wake: wakeUp.wake,
    leave: async () => {
      leaving.abort()
      const left = running.then(() => (entered ? availability.guard(replicas.leave) : null)).catch(() => {})
      await Promise.race([left, delay(LEAVE_MS, null, { ref: false })])
    },
  }
}

async function join({ database, replicas, clock }: MembershipParts): Promise<number> {
  await clock.measure()
  await migrate({ database, now: clock.now })
  await replicas.join()
  await replicas.findDead() // counts the live replicas: of those that start together, only the first counts itself alone
  if (database.dialect.exclusive) await replicas.removeOthers()
  await replicas.holds.sweep()
  await replicas.lead()
  return database.dialect.exclusive ? recover(database.db, clock.now()) : 0
}

async function beat({ database, replicas, availability, clock, onPruned }: MembershipParts): Promise<void> {
  // On SQLite the lock on the file keeps others out. The lease still ends if the whole process is paused for long.
  if (database.dialect.exclusive) replicas.lease.extend(performance.now())
  if (!(await replicas.beat())) await replicas.rejoin()
  // On a full disk, a heartbeat may find room where a sale doesn't.
  if (availability.reason() === null || (database.place?.hasRoom() ?? true)) availability.note(null)
  await clock.measure()
  const pruned = await replicas.prune(await replicas.findDead())
  await replicas.holds.sweep()
  await replicas.lead()
  if (pruned > 0) onPruned(pruned)
}
