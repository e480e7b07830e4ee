import { setTimeout as delay } from 'node:timers/promises'
import type { Transaction } from 'kysely'
import type { Database } from './dialect.ts'
import type { Tables } from './schema.ts'

const TRIES = { conflict: 10, unavailable: 3 } as const
const AGAIN_MS = 20
/** Nobody waits for a webhook's answer much longer than this. */
const LONG_MS = 3000

/** To be thrown in a transaction that read something which another one changed before it could write. */
export const OVERTAKEN = new Error('a row was changed by another transaction in between')

/**
 * Runs `body` in a transaction, and again if another one was in the way or the connection was lost. A connection lost
 * during the commit leaves open whether it took effect: then `isStored` is asked, after the next try has done its
 * statements. They wait for the locks of the one before, so that its end is known by then; if it is stored, the next
 * try is undone and the first one's result is given. Throws what the last try threw.
 */
export async function inTransaction<Result>({
  database: { db, dialect },
  random,
  body,
  isStored,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  /** From 0 to 1, as Math.random gives it. */
  random: () => number
  body: (trx: Transaction<Tables>) => Promise<Result>
  isStored: (trx: Transaction<Tables>, result: Result) => Promise<boolean>
}): Promise<Result> {
  const began = performance.now()
  let unsure: Held<Result> | null = null
  for (let tries = 1; ; tries++) {
    const before: Held<Result> | null = unsure
    const committing: Held<Result>[] = []
    try {
      return await db.transaction().execute(async (trx) => {
        const result = await body(trx)
        if (before !== null && (await isStored(trx, before.result))) throw STORED
        committing.push({ result })
        return result
      })
    } catch (error) {
      if (error === STORED && before !== null) return before.result
      const trouble = error === OVERTAKEN ? 'conflict' : dialect.troubleOf(error)
      if (trouble !== 'conflict' && trouble !== 'unavailable') throw error
      if (tries >= TRIES[trouble] || performance.now() - began > LONG_MS) throw error
      unsure = committing[0] ?? before
    }
    await delay(AGAIN_MS * tries * (0.5 + random()))
  }
}

interface Held<Result> {
  readonly result: Result
}

/** Undoes a try that turned out not to be needed. */
const STORED = new Error('an earlier try is stored')
