import { setTimeout as delay } from 'node:timers/promises'
import { type Availability, retryOnce } from '../../database/availability.ts'
import type { Database, DatabaseClock } from '../../database/dialect.ts'
import { migrate } from '../../database/migrations/migrations.ts'
import { createWakeUp } from '../../service/lib/loop.ts'
import type { Lease } from './lease.ts'
import type { Replicas } from './replicas.ts'
import type { Timing } from './timing.ts'

const RETRY_MS = 1000
const LEAVE_MS = 500

interface MembershipParts {
  readonly database: Database
  readonly replicas: Replicas
  readonly lease: Pick<Lease, 'extend'>
  readonly availability: Availability
  readonly clock: DatabaseClock
  readonly timing: Timing
  /** If no other replica can be alive: claims what a dead process left. Resolves to how many deliveries. */
  readonly claimAll: () => Promise<number>
  /** Called with the number of deliveries that pruned replicas left, which any replica may claim now. */
  readonly onReleased: (deliveries: number) => void
}

export interface Membership {
  /**
   * Migrates and joins. If no other replica can be alive, claims what a dead process left, and resolves to how many
   * deliveries. Throws what the database throws.
   */
  enter(): Promise<number>
  /** Enters as soon as the database is available, unless it has entered already, and sends heartbeats until it leaves. */
  run(onEntered: (left: number) => void): void
  /** Call it when the database becomes unavailable: the next heartbeat is sent at once. */
  wake(): void
  /**
   * Stops the heartbeat and releases the unfinished deliveries, so that the others claim them at once. If the release
   * can't be written within 500 ms, they claim them when they prune this replica.
   */
  leave(): Promise<void>
}

/**
 * This replica's membership of the database: it joins, sends heartbeats, prunes dead replicas and leaves. While the
 * database is unavailable, it is the only part that keeps retrying.
 */
export function createMembership(parts: MembershipParts): Membership {
  const { replicas, availability, timing } = parts
  const { heartbeatMs } = timing
  const { dialect } = parts.database
  const wakeUp = createWakeUp()
  const leaving = new AbortController()
  let entered = false
  let running: Promise<void> = Promise.resolve()

  const enter = async (): Promise<number> => {
    const left = await join(parts)
    entered = true
    availability.note(null)
    return left
  }

  const fail = (error: unknown): void => {
    if (leaving.signal.aborted || dialect.errorKindOf(error) === 'conflict') return // a conflict is over by the next heartbeat
    if (dialect.exclusive && entered) return // the file is open; the writes themselves report errors
    availability.note(error)
  }

  const step = async (onEntered: (left: number) => void): Promise<void> => {
    if (!entered) return onEntered(await enter())
    await retryOnce({ dialect, work: () => beat(parts) })
  }

  const run = async (onEntered: (left: number) => void): Promise<void> => {
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

async function join({ database, replicas, lease, clock, claimAll }: MembershipParts): Promise<number> {
  await clock.measure()
  await migrate({ database, now: clock.now })
  const sentAt = performance.now()
  await replicas.join()
  lease.extend(sentAt)
  await replicas.findDead() // counts the live replicas: of those that start together, only the first counts itself alone
  if (!database.dialect.exclusive) return 0
  await replicas.removeOthers()
  return claimAll()
}

async function beat({ database, replicas, lease, availability, clock, onReleased }: MembershipParts): Promise<void> {
  const me = replicas.me()
  const sentAt = performance.now()
  // On SQLite the lock on the file keeps others out. The lease still ends if the whole process is paused for long.
  if (database.dialect.exclusive) lease.extend(sentAt)
  if ((await replicas.beat()) === null) await replicas.rejoin(me)
  else lease.extend(sentAt)
  availability.note(null)
  await clock.measure()
  const released = await replicas.prune(await replicas.findDead())
  if (released > 0) onReleased(released)
}
