import type { Database } from '../../database/dialect.ts'
import { createReplicas, type Replicas } from './replicas.ts'
import { TIMING, type Timing } from './timing.ts'

/** What acts for a time as one of the replicas: they share the call budget with it, and it can take holds. */
export interface Guest {
  readonly replicas: Pick<Replicas, 'me' | 'liveCount' | 'holds' | 'findDead' | 'prune'>
  leave(): Promise<void>
}

/**
 * Joins the replicas of a database that is up to date, and sends heartbeats until it leaves. It attempts no deliveries, and
 * by itself prunes nobody. If another replica removes it, as a service does that starts on a SQLite file, it joins again. Throws what
 * the database throws.
 * @param of.newName gives a new name at each call, of at most 36 characters
 */
export async function joinAsGuest({
  timing: { heartbeatMs, deadAfterMs, landsMs } = TIMING,
  ...of
}: {
  database: Pick<Database, 'db' | 'dialect'>
  newName: () => string
  random: () => number
  timing?: Timing
}): Promise<Guest> {
  const replicas = createReplicas({ ...of, deadAfterMs, landsMs })
  const beat = async (): Promise<void> => {
    if (!(await replicas.beat())) await replicas.rejoin()
    await replicas.findDead()
  }
  await replicas.join()
  let last = beat()
  await last
  const timer = setInterval(() => {
    last = last.then(beat).catch(() => {}) // the work itself finds that the database fails
  }, heartbeatMs)
  return {
    replicas,
    leave: async () => {
      clearInterval(timer)
      await last // it could join again
      await replicas.leave()
    },
  }
}
