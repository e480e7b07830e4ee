import { setImmediate as turn } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { emailTerm, textTerm } from '../inbox/search-terms.ts'
import {
  byIds,
  byWebhookId,
  type Candidate,
  type Chunk,
  countPeople,
  idsOfReplay,
  type People,
  type Position,
  readPeople,
  type Stream,
  streamDeliveries,
  streamFurtherCourses,
  withFurtherCourse,
  withReplay,
} from './candidates.ts'
import type { DeliveryFilter } from './filter.ts'

/** The rows of one statement in a long search: a few ms of SQLite, which blocks the process meanwhile. */
const CHUNK = 500
/** At most this many deliveries of one person or prefix are sorted in memory. With more, a walk soon fills a page. */
const SET_MAX = 5000
/** The rows that one search reads before it returns what it has. */
const READ_MAX = 10_000

export interface Matches {
  /** Newest activity first. */
  readonly found: readonly Candidate[]
  /** The position to continue from; null if there are no more. */
  readonly next: Position | null
  /** Whether it read the maximum number of rows before it found `limit` deliveries. */
  readonly cut: boolean
}

interface Query {
  readonly db: Kysely<Tables>
  readonly filter: DeliveryFilter
  readonly after: Position | null
  readonly limit: number
}

/**
 * Finds up to `limit` deliveries after `after`, with bounded work in small statements, whatever is stored. It finds people
 * by their indexes and sorts them afterwards, unless there are too many. Other searches walk along the indexes that are in
 * the list's order, and skip what doesn't match.
 */
export async function search(query: Query): Promise<Matches> {
  const { db, filter, after, limit } = query
  const set = await matchingSet(query)
  if (set !== null) {
    const wanted = await matching(db, filter, set)
    return page(wanted.filter((one) => isAfter(one, after)).sort(byPosition), limit)
  }
  const { id, email, emailPrefix, username, word, replay, ...walked } = filter
  const narrow = [email, emailPrefix, username, word, replay].some((one) => one !== undefined)
  const [first, second] = walks(db, walked)
  if (first === undefined) return { found: [], next: null, cut: false }
  if (second !== undefined) {
    const few = await shortWalk([first, second], after)
    if (few !== null) return page(await matching(db, filter, few), limit)
  }
  return walk(query, first, narrow || second !== undefined ? CHUNK : limit + 1)
}

/** Returns all candidates for the id, bulk replay or person in the filter; null if there are too many, or no such condition. */
async function matchingSet({ db, filter }: Query): Promise<Candidate[] | null> {
  const { id, email, emailPrefix, username, word, replay } = filter
  if (id !== undefined) return byIds(db, [id])
  const replayed = replay === undefined ? null : await readReplayed(db, replay)
  if (replayed !== null) return replayed
  if (email !== undefined) return readSet(db, [{ column: 'email', value: email }])
  const byName = username === undefined ? null : await readSet(db, [{ column: 'username', value: username }])
  if (byName !== null) return byName
  const byBeginning =
    emailPrefix === undefined ? null : await readSet(db, [{ column: 'email', value: emailPrefix, beginning: true }])
  if (byBeginning !== null || word === undefined) return byBeginning
  const people = await readSet(db, [
    { column: 'username', value: word },
    { column: 'email', value: word, beginning: true },
  ])
  if (people === null) return null
  const named = (await byWebhookId(db, word)).filter((one) => people.every(({ id: other }) => other !== one.id))
  return [...people, ...named]
}

async function readReplayed(db: Kysely<Tables>, replay: string): Promise<Candidate[] | null> {
  const ids = await idsOfReplay(db, replay, SET_MAX + 1)
  if (ids.length > SET_MAX) return null
  const found: Candidate[] = []
  for (let i = 0; i < ids.length; i += CHUNK, await turn()) found.push(...(await byIds(db, ids.slice(i, i + CHUNK))))
  return found
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

/** Returns the possible walks: by course, by states, or, without either condition, through all deliveries. */
function walks(db: Kysely<Tables>, { course, states, ...range }: DeliveryFilter): Stream[][] {
  const byCourse =
    course === undefined
      ? []
      : [[streamDeliveries({ db, range, only: { course } }), streamFurtherCourses({ db, range, course })]]
  const byState =
    states === undefined ? [] : [[...new Set(states)].map((state) => streamDeliveries({ db, range, only: { state } }))]
  const some = [...byCourse, ...byState]
  return some.length > 0 ? some : [[streamDeliveries({ db, range })]]
}

/** Returns all candidates of a walk that ends within one chunk; null if none does. */
async function shortWalk(some: readonly Stream[][], after: Position | null): Promise<Candidate[] | null> {
  for (const streams of some) {
    const chunk = await nextChunk(streams, after, CHUNK)
    if (chunk.isLast) return [...chunk.candidates]
  }
  return null
}

async function walk({ db, filter, after, limit }: Query, streams: Stream[], size: number): Promise<Matches> {
  const found: Candidate[] = []
  let place = after
  for (let rowsRead = 0; rowsRead < READ_MAX; rowsRead += size * streams.length) {
    const chunk = await nextChunk(streams, place, size)
    found.push(...(await matching(db, filter, chunk.candidates)))
    if (found.length > limit || chunk.isLast) return page(found, limit)
    place = chunk.candidates.at(-1) ?? place
  }
  return { found, next: place, cut: true }
}

async function nextChunk(streams: readonly Stream[], after: Position | null, size: number): Promise<Chunk> {
  const chunks: Chunk[] = []
  for (const stream of streams) {
    chunks.push(await stream(after, size))
    await turn()
  }
  const candidates = chunks.flatMap((chunk) => chunk.candidates).sort(byPosition)
  return {
    candidates: candidates.slice(0, size),
    isLast: candidates.length <= size && chunks.every(({ isLast }) => isLast),
  }
}

function page(found: readonly Candidate[], limit: number): Matches {
  const items = found.slice(0, limit)
  return { found: items, next: found.length > limit ? (items.at(-1) ?? null) : null, cut: false }
}

/** Returns the candidates that meet every condition, in their order. */
async function matching(
  db: Kysely<Tables>,
  filter: DeliveryFilter,
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  const { id, email, emailPrefix, username, course, word, replay, states, from, to } = filter
  const rest = candidates.filter(
    (one) =>
      (id === undefined || one.id === id) &&
      (states === undefined || states.includes(one.state)) &&
      (from === undefined || one.activeAt >= from) &&
      (to === undefined || one.activeAt < to) &&
      (email === undefined || one.email === emailTerm(email)) &&
      (emailPrefix === undefined || begins(one.email, emailPrefix)) &&
      (username === undefined || one.username === textTerm(username)) &&
      (word === undefined || one.username === textTerm(word) || begins(one.email, word) || one.webhookId === word),
  )
  const ofReplay =
    replay === undefined
      ? rest
      : await those(
          rest,
          (ids) => withReplay(db, { ids, replay }),
          () => false,
        )
  if (course === undefined) return ofReplay
  const isFirst = (one: Candidate): boolean => one.course === textTerm(course)
  return those(ofReplay, (ids) => withFurtherCourse(db, { ids, course }), isFirst)
}

/** Returns the candidates that match by themselves, or whose id `look` returns. It looks for the others only, in chunks. */
async function those(
  candidates: readonly Candidate[],
  look: (ids: readonly string[]) => Promise<ReadonlySet<string>>,
  matches: (one: Candidate) => boolean,
): Promise<Candidate[]> {
  const ids = candidates.filter((one) => !matches(one)).map((one) => one.id)
  const found = new Set<string>()
  for (let i = 0; i < ids.length; i += CHUNK) {
    for (const one of await look(ids.slice(i, i + CHUNK))) found.add(one)
  }
  return candidates.filter((one) => matches(one) || found.has(one.id))
}

const begins = (email: string | null, prefix: string): boolean => email?.startsWith(emailTerm(prefix)) ?? false

const byPosition = (a: Position, b: Position): number => b.activeAt - a.activeAt || (a.id < b.id ? 1 : -1)
const isAfter = (one: Position, after: Position | null): boolean => after === null || byPosition(one, after) > 0
