import { setTimeout as delay } from 'node:timers/promises'
import { type Availability, tryTwice } from '../database/availability.ts'
import type { DatabaseClock } from '../database/clock.ts'
import type { Database } from '../database/dialect.ts'
import { migrate } from '../database/migrations.ts'
import type { Store } from '../inbox/store.ts'
import { createBell } from '../wake-up.ts'
import type { Lease } from './lease.ts'
import type { Replicas } from './replicas.ts'

const AGAIN_MS = 1000
const LEAVE_MS = 500

/**
 * This replica's presence in the database: migrates and joins as soon as the database is there, beats, takes over from
 * the dead, and leaves. It is the one who goes on trying while the database is away.
 */
export function createPresence({
  database,
  replicas,
  store,
  lease,
  availability,
  clock,
  longestWaitMs,
  heartbeatMs,
  deadAfterMs,
  onFreed,
}: {
  database: Database
  replicas: Replicas
  store: Pick<Store, 'takeOver' | 'bringForward'>
  lease: Pick<Lease, 'extend'>
  availability: Availability
  clock: DatabaseClock
  /** No retry is further ahead than this, ms. */
  longestWaitMs: number
  heartbeatMs: number
  /** After so long a silence a replica is given up for dead. */
  deadAfterMs: number
  /** Told how many deliveries of dead replicas any replica may take now. */
  onFreed: (deliveries: number) => void
}) {
  const { dialect } = database
  const bell = createBell()
  const leaving = new AbortController()
  let entered = false
  let running: Promise<void> = Promise.resolve()
  let failedAt = Number.NEGATIVE_INFINITY

  const enter = async (): Promise<number> => {
    await clock.measure()
    await migrate({ database, now: clock.now })
    const sentAt = performance.now()
    await replicas.join()
    lease.extend(sentAt)
    await replicas.look() // of those that start together only the first can find itself alone
    if (dialect.exclusive) await replicas.forgetOthers()
    const left = dialect.exclusive ? await store.takeOver() : 0
    if (dialect.exclusive) await store.bringForward(longestWaitMs)
    entered = true
    availability.note(null)
    return left
  }

  const beat = async (): Promise<void> => {
    const me = replicas.me()
    const sentAt = performance.now()
    // On SQLite the lock on the file keeps others out. The lease still ends when the whole process is stopped for long.
    if (dialect.exclusive) lease.extend(sentAt)
    if ((await replicas.beat()) === null) await replicas.rejoin(me)
    lease.extend(sentAt)
    availability.note(null)
    await clock.measure()
    const dead = await replicas.look()
    // While the database was away nobody could beat: the others get as long as they would have had.
    if (performance.now() - failedAt < deadAfterMs) return
    const freed = await replicas.bury(dead)
    if (freed > 0) onFreed(freed)
  }

  const fail = (error: unknown): void => {
    if (leaving.signal.aborted || dialect.troubleOf(error) === 'conflict') return // a conflict is over by the next beat
    if (dialect.exclusive && entered) return // the file is there; who stores something in it reports what is wrong
    if (entered) failedAt = performance.now()
    availability.note(error)
  }

  const run = async (onEntered: () => void): Promise<void> => {
    while (!leaving.signal.aborted) {
      const rung = bell.listen()
      try {
        if (entered) await tryTwice({ dialect, work: beat })
        else {
          await enter()
          onEntered()
        }
      } catch (error) {
        fail(error)
      }
      await rung(availability.reason() === null ? heartbeatMs : Math.min(AGAIN_MS, heartbeatMs), leaving.signal)
    }
  }

  return {
    /**
     * Migrates, joins, and where nobody else can be alive takes up what a dead process left: gives how many deliveries
     * that were. Throws what the database throws.
     */
    enter,

    /** Enters as soon as the database lets it, if that has not been done, and beats until it leaves. */
    run: (onEntered: () => void): void => {
      running = run(onEntered)
    },

    /** To be called when somebody found the database away: it is looked for at once. */
    wake: bell.ring,

    /**
     * Ends the beating. Others take over at once what is unfinished, or, if that can't be written within 500 ms, when
     * this replica has been silent for long.
     */
    leave: async (): Promise<void> => {
      leaving.abort()
      const left = running.then(() => (entered ? availability.guard(replicas.leave) : null)).catch(() => {})
      await Promise.race([left, delay(LEAVE_MS, null, { ref: false })])
    },
  }
}
