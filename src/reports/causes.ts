import { setImmediate as turn } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { DeliveryState, ReasonCode } from '../delivery/types.ts'
import { causeOf } from '../search/cause.ts'
import { spellCourses } from './spelling.ts'

/** How many of the latest deliveries of each state are grouped, and how many of them one statement reads. */
const GROUPED_MAX = 5000
const CHUNK = 250
const EXAMPLES = 5
const CAUSES_MAX = 100

/** Deliveries that failed for the same reason. Times are ms since 1970. */
export interface Cause {
  readonly state: 'needs_attention' | 'rejected'
  readonly code: ReasonCode
  /** The course key as the shop sent it, if the reason is about a course; null if it is about the person or the payload. */
  readonly course: string | null
  readonly count: number
  /** When the first and the last of them got this result. */
  readonly firstAt: number
  readonly lastAt: number
  /** The latest ones. */
  readonly examples: readonly string[]
}

export interface Causes {
  /** The most frequent first, at most 100. */
  readonly causes: readonly Cause[]
  /** Whether there are more deliveries than were grouped, so that each count is one at least. */
  readonly isCut: boolean
}

/**
 * Groups the deliveries in these states by reason and course.
 * @param of.withinMs for how long it reads more deliveries of a state. Each is a row somewhere in the table, which a server
 *   with little memory reads from the disk.
 */
export async function readCauses({
  db,
  states = ['needs_attention', 'rejected'],
  withinMs = Number.POSITIVE_INFINITY,
}: {
  db: Kysely<Tables>
  states?: readonly Cause['state'][]
  withinMs?: number
}): Promise<Causes> {
  const groups = new Map<string, Cause & { examples: string[] }>()
  let isCut = false
  for (const state of states) {
    const isWhole = await eachOf({ db, state, withinMs, use: (one) => addTo(groups, { ...one, state }) })
    isCut ||= !isWhole
  }
  const sorted = [...groups.values()].sort((a, b) => b.count - a.count || b.lastAt - a.lastAt)
  return { causes: await spell(db, sorted.slice(0, CAUSES_MAX)), isCut: isCut || sorted.length > CAUSES_MAX }
}

/** A reason that is about the first course of a delivery has its key in lower case, from the index. */
async function spell(db: Kysely<Tables>, causes: readonly Cause[]): Promise<readonly Cause[]> {
  const keys = causes.flatMap(({ course }) => (course !== null && course === course.toLowerCase() ? [course] : []))
  const spelled = await spellCourses(db, [...new Set(keys)])
  return causes.map((cause) => ({ ...cause, course: spelled.get(cause.course ?? '') ?? cause.course }))
}

interface Failed {
  readonly id: string
  readonly at: number
  readonly outcome: string | null
  readonly course: string | null
}

/** Calls `use` with each of the latest deliveries in a state. Resolves to whether these are all. */
async function eachOf({
  db,
  state,
  withinMs,
  use,
}: {
  db: Kysely<Tables>
  state: DeliveryState
  withinMs: number
  use: (one: Failed) => void
}): Promise<boolean> {
  const began = performance.now()
  let after: { active_at: number; id: string } | null = null
  for (let count = 0; ; ) {
    const place: typeof after = after
    let query = db
      .selectFrom('deliveries')
      .modifyFront(sql`/*+ INDEX(deliveries deliveries_state) */`)
      .select(['id', 'active_at', 'settled_at', 'outcome', 'course'])
      .where('state', '=', state)
    if (place !== null) {
      query = query
        .where('active_at', '<=', place.active_at)
        .where((eb) => eb.or([eb('active_at', '<', place.active_at), eb('id', '<', place.id)]))
    }
    const rows = await query.orderBy('active_at', 'desc').orderBy('id', 'desc').limit(CHUNK).execute()
    for (const { id, settled_at, active_at, outcome, course } of rows.slice(0, GROUPED_MAX - count)) {
      use({ id, at: settled_at ?? active_at, outcome, course })
    }
    count += rows.length
    after = rows.at(-1) ?? null
    if (rows.length < CHUNK) return count <= GROUPED_MAX
    if (count > GROUPED_MAX || performance.now() - began > withinMs) return false
    await turn()
  }
}

function addTo(
  groups: Map<string, Cause & { examples: string[] }>,
  { id, at, outcome, course: first, state }: Failed & Pick<Cause, 'state'>,
): void {
  const cause = causeOf({ outcome, course: first })
  if (cause === null) return
  const { code, course } = cause
  const key = JSON.stringify([state, code, course?.toLowerCase()])
  const group = groups.get(key)
  if (group === undefined) {
    groups.set(key, { state, code, course, count: 1, firstAt: at, lastAt: at, examples: [id] })
    return
  }
  const { examples, count, firstAt, lastAt } = group
  if (examples.length < EXAMPLES) examples.push(id)
  const times = { firstAt: Math.min(firstAt, at), lastAt: Math.max(lastAt, at) }
  groups.set(key, { ...group, ...times, count: count + 1 })
}
