import { setImmediate as turn } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { emailTerm, textTerm } from '../inbox/search-terms.ts'
import {
  byIds,
  type Candidate,
  type Chunk,
  countPeople,
  type People,
  type Place,
  readPeople,
  type Stream,
  streamDeliveries,
  streamFurther,
  withFurtherCourse,
} from './candidates.ts'
import type { DeliveryFilter } from './filter.ts'

/** Rows of one statement where many may have to be looked at: a few ms of SQLite, which blocks the process meanwhile. */
const CHUNK = 500
/** So many of one person, or of one beginning, are sorted in memory. Where there are more, a walk soon finds a page. */
const SET_MAX = 5000
/** Rows that one search looks at before it gives what it has. */
const LOOK_MAX = 10_000

export interface Matches {
  /** Newest activity first. */
  readonly found: readonly Candidate[]
  /** Where to go on; null: there are no more. */
  readonly next: Place | null
  /** Whether it ended before there were `limit`, since it had looked at enough. */
  readonly cut: boolean
}

interface Query {
  readonly db: Kysely<Tables>
  readonly filter: DeliveryFilter
  readonly after: Place | null
  readonly limit: number
}

/**
 * Finds up to `limit` deliveries behind `after`, with bounded work in small statements, whatever is stored. People are
 * found by their own indexes and sorted afterwards, unless they are too many. All else walks along the indexes that are
 * in the list's order, and skips what doesn't match.
 */
export async function search(query: Query): Promise<Matches> {
  const { db, filter, after, limit } = query
  const set = await matchingSet(query)
  if (set !== null) {
    const wanted = await matching(db, filter, set)
    return page(wanted.filter((one) => isBehind(one, after)).sort(byPlace), limit)
  }
  const { id, email, emailPrefix, username, word, ...walked } = filter
  const narrow = [email, emailPrefix, username, word].some((one) => one !== undefined)
  const [plan, other] = plans(db, walked)
  if (plan === undefined) return { found: [], next: null, cut: false }
  if (other !== undefined) {
    const few = await exhausted([plan, other], after)
    if (few !== null) return page(await matching(db, filter, few), limit)
  }
  return walk(query, plan, narrow || other !== undefined ? CHUNK : limit + 1)
}

/** All that an index of people, or the id, leaves over; null if it leaves too many, or there is no such condition. */
async function matchingSet({ db, filter }: Query): Promise<Candidate[] | null> {
  const { id, email, emailPrefix, username, word } = filter
  if (id !== undefined) return byIds(db, [id])
  if (email !== undefined) return readSet(db, [{ column: 'email', value: email }])
  const byName = username === undefined ? null : await readSet(db, [{ column: 'username', value: username }])
  if (byName !== null) return byName
  const byBeginning =
    emailPrefix === undefined ? null : await readSet(db, [{ column: 'email', value: emailPrefix, beginning: true }])
  if (byBeginning !== null || word === undefined) return byBeginning
  return readSet(db, [
    { column: 'username', value: word },
    { column: 'email', value: word, beginning: true },
  ])
}

async function readSet(db: Kysely<Tables>, all: readonly People[]): Promise<Candidate[] | null> {
  let count = 0
  for (const people of all) count += await countPeople(db, people, SET_MAX + 1)
  if (count > SET_MAX) return null
  const found = new Map<string, Candidate>()
  for (const people of all) {
    for (let after: Candidate | null = null; ; await turn()) {
      const chunk: Candidate[] = await readPeople({ db, people, after, limit: CHUNK })
      for (const one of chunk) found.set(one.id, one)
      after = chunk.at(-1) ?? null
      if (chunk.length < CHUNK) break
    }
  }
  return [...found.values()]
}

/** The ways to walk: by course, by states, or, without either condition, through all. */
function plans(db: Kysely<Tables>, { course, states, ...range }: DeliveryFilter): Stream[][] {
  const byCourse =
    course === undefined
      ? []
      : [[streamDeliveries({ db, range, only: { course } }), streamFurther({ db, range, course })]]
  const byState =
    states === undefined ? [] : [[...new Set(states)].map((state) => streamDeliveries({ db, range, only: { state } }))]
  const some = [...byCourse, ...byState]
  return some.length > 0 ? some : [[streamDeliveries({ db, range })]]
}

/** If one of the plans soon comes to its end: all that it gives. */
async function exhausted(some: readonly Stream[][], after: Place | null): Promise<Candidate[] | null> {
  for (const streams of some) {
    const chunk = await nextChunk(streams, after, CHUNK)
    if (chunk.isLast) return [...chunk.candidates]
  }
  return null
}

async function walk({ db, filter, after, limit }: Query, streams: Stream[], size: number): Promise<Matches> {
  const found: Candidate[] = []
  let place = after
  for (let looked = 0; looked < LOOK_MAX; looked += size * streams.length) {
    const chunk = await nextChunk(streams, place, size)
    found.push(...(await matching(db, filter, chunk.candidates)))
    if (found.length > limit || chunk.isLast) return page(found, limit)
    place = chunk.candidates.at(-1) ?? place
  }
  return { found, next: place, cut: true }
}

async function nextChunk(streams: readonly Stream[], after: Place | null, size: number): Promise<Chunk> {
  const chunks: Chunk[] = []
  for (const stream of streams) {
    chunks.push(await stream(after, size))
    await turn()
  }
  const candidates = chunks.flatMap((chunk) => chunk.candidates).sort(byPlace)
  return {
    candidates: candidates.slice(0, size),
    isLast: candidates.length <= size && chunks.every(({ isLast }) => isLast),
  }
}

function page(found: readonly Candidate[], limit: number): Matches {
  const items = found.slice(0, limit)
  return { found: items, next: found.length > limit ? (items.at(-1) ?? null) : null, cut: false }
}

/** Those that meet every condition, in their order. */
async function matching(
  db: Kysely<Tables>,
  filter: DeliveryFilter,
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  const { id, email, emailPrefix, username, course, word, states, from, to } = filter
  const rest = candidates.filter(
    (one) =>
      (id === undefined || one.id === id) &&
      (states === undefined || states.includes(one.state)) &&
      (from === undefined || one.activeAt >= from) &&
      (to === undefined || one.activeAt < to) &&
      (email === undefined || one.email === emailTerm(email)) &&
      (emailPrefix === undefined || begins(one.email, emailPrefix)) &&
      (username === undefined || one.username === textTerm(username)) &&
      (word === undefined || one.username === textTerm(word) || begins(one.email, word)),
  )
  if (course === undefined) return rest
  const ids = rest.filter((one) => one.course !== textTerm(course)).map((one) => one.id)
  const further = new Set<string>()
  for (let i = 0; i < ids.length; i += CHUNK) {
    for (const one of await withFurtherCourse(db, { ids: ids.slice(i, i + CHUNK), course })) further.add(one)
  }
  return rest.filter((one) => one.course === textTerm(course) || further.has(one.id))
}

const begins = (email: string | null, prefix: string): boolean => email?.startsWith(emailTerm(prefix)) ?? false

const byPlace = (a: Place, b: Place): number => b.activeAt - a.activeAt || (a.id < b.id ? 1 : -1)
const isBehind = (one: Place, after: Place | null): boolean => after === null || byPlace(one, after) > 0
