import type { Database } from '../../database/dialect.ts'
import { AppError } from '../../service/lib/errors.ts'
import { createReplicas, type Replicas } from './replicas.ts'
import { TIMING, type Timing } from './timing.ts'

/** A command that makes many calls to the LMS, as one of the replicas: they share the call budget with it. */
interface Guest {
  readonly replicas: Pick<Replicas, 'me' | 'liveCount'>
  /** The right to call the LMS: see createLms. */
  mayCall(): AbortSignal
  leave(): Promise<void>
}

/**
 * Joins the replicas of a database that is up to date, and sends heartbeats until it leaves. It attempts no deliveries,
 * and prunes nobody. If another replica removes it, as a service does that starts on a SQLite file, its calls end. Throws what
 * the database throws.
 * @param of.name at most 36 characters
 */
export async function joinAsGuest({
  database,
  name,
  random,
  timing: { heartbeatMs, deadAfterMs } = TIMING,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  name: string
  random: () => number
  timing?: Timing
}): Promise<Guest> {
  const replicas = createReplicas({ database, newName: () => name, deadAfterMs, random })
  const { lease } = replicas
  const removed = new AbortController()
  const beat = async (): Promise<void> => {
    if (!(await replicas.beat())) return removed.abort(lost())
    await replicas.findDead()
  }
  await replicas.join()
  await beat()
  // While the database fails, the lease is not extended, and ends.
  const timer = setInterval(() => void beat().catch(() => {}), heartbeatMs)
  return {
    replicas,
    mayCall: () => {
      removed.signal.throwIfAborted()
      return AbortSignal.any([lease.signal(), removed.signal])
    },
    leave: () => {
      clearInterval(timer)
      return replicas.leave()
    },
  }
}

const lost = (): AppError =>
  new AppError(
    'lease.lost',
    'The command stopped calling the LMS, because a service started in the meantime, or the database got no heartbeat from the command in time. Run it again.',
  )
