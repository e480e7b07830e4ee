import { randomInt } from 'node:crypto'
import type { Kysely } from 'kysely'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { openDatabase } from '../../src/database/database.ts'
import type { Tables } from '../../src/database/schema.ts'
import { withLines } from '../../src/queue/lines.ts'
import type { Buyer } from '../harness.ts'
import { until } from '../service/process.ts'

const COURSES = Array.from({ length: 5 }, (_, i) => ({ id: `course-v1:Lernito+F${i}+2026`, name: `Course ${i}` }))
const PEOPLE = Array.from({ length: 200 }, (_, i) => ({
  username: `known${i}`,
  email: `known${i}@example.com`,
  active: true,
}))

/** Five more courses, and 200 people with an account; other buyers have none. */
export const WORLD = {
  ...defaultWorld,
  people: [...defaultWorld.people, ...PEOPLE],
  courses: [...defaultWorld.courses, ...COURSES],
}

/** Random numbers that FAULT_SEED reproduces; without it, the seed is new each time. */
export function seededRandom(): { seed: number; random: () => number } {
  const seed = Number(process.env.FAULT_SEED ?? randomInt(2 ** 31))
  return { seed, random: randomFrom(seed) }
}

/** Random numbers from 0 to 1, without 1, from a seed: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Different sales: about half to people with an account, each of one or two courses. */
export function sales({
  name,
  count,
  random = Math.random,
}: {
  name: string
  count: number
  random?: () => number
}): Buyer[] {
  const course = (): string => COURSES[Math.floor(random() * COURSES.length)]?.id ?? ''
  return Array.from({ length: count }, (_, i) => {
    const known = PEOPLE[Math.floor(random() * 2 * PEOPLE.length)]?.email
    const courseIds = [...new Set(random() < 0.7 ? [course()] : [course(), course()])]
    return { email: known ?? `${name}.${i}@example.com`, courseIds, name: `${name}.${i}` }
  })
}

/**
 * Counts rounds: exactly FAULT_ROUNDS if it is set, otherwise up to `most` within a time. Call `next` before each round; it
 * returns false when there are no more.
 */
export function createRounds({ withinMs, most = 100 }: { withinMs: number; most?: number }): {
  next: () => boolean
  done: () => number
} {
  const asked = process.env.FAULT_ROUNDS === undefined ? null : Number(process.env.FAULT_ROUNDS)
  const began = performance.now()
  let rounds = 0
  return {
    next: () => {
      if (asked === null ? rounds >= most || performance.now() - began > withinMs : rounds >= asked) return false
      rounds++
      return true
    },
    done: () => rounds,
  }
}

/** The settings of a service from which a test wants a 200: a busy machine may need longer than an answer waits. */
export const PATIENT = { LERNITO_ANSWER_WITHIN_MS: '60000' }

/** Reads a database over a connection of its own, again for up to a minute if a busy machine takes too long to connect. */
export async function reading<Result>(url: string, read: (db: Kysely<Tables>) => Promise<Result>): Promise<Result> {
  for (const end = Date.now() + 60_000; ; ) {
    const { db, dialect, close } = openDatabase({ url, serve: false })
    try {
      return await read(db)
    } catch (error) {
      if (dialect.errorKindOf(error) !== 'unavailable' || Date.now() > end) throw error
    } finally {
      await close()
    }
  }
}

/** Returns every delivery of a database, oldest first. */
export const deliveriesIn = (url: string) =>
  reading(url, async (db) => {
    const rows = db
      .selectFrom('deliveries')
      .select(['id', 'email', 'state', 'attempts', 'due_at', 'request', 'reason', 'replaces'])
    return withLines(db, await rows.execute())
  })

/** Waits until a database has no such rows, at most a minute. It keeps its connection: one for each look costs much more. */
export function untilNone({
  url,
  what,
  rows,
}: {
  url: string
  what: string
  rows: (db: Kysely<Tables>) => Promise<readonly unknown[]>
}): Promise<true> {
  const end = Date.now() + 60_000
  return reading(url, (db) => until(what, async () => (await rows(db)).length === 0 || undefined, end - Date.now()))
}

/** Waits until every delivery in the database is settled, at most a minute. */
export const untilAllSettled = (url: string): Promise<true> =>
  untilNone({
    url,
    what: 'the end of the work',
    rows: (db) => db.selectFrom('deliveries').select('id').where('state', '=', 'queued').limit(1).execute(),
  })
