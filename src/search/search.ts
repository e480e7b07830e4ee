import { setImmediate as turn } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import {
  byIds,
  byWebhookId,
  type Candidate,
  type Chunk,
  countPeople,
  countStates,
  type People,
  type Position,
  readPeople,
  type Stream,
  streamDeliveries,
  streamFurtherCourses,
} from './candidates.ts'
import type { DeliveryFilter } from './filter.ts'
import { createFinder, type Finder } from './finder.ts'
import { matching } from './matching.ts'
import { idsOfReplay } from './replayed.ts'

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
 * the list's order, and skip what doesn't match. Only where very many deliveries have a word, the list is in the order of
 * receiving, as the index of words is; a search that continues after a position of the list's own order keeps that order.
 */
export async function search({ db, filter, after, limit }: Query): Promise<Matches> {
  const finder = filter.find === undefined ? null : await createFinder(db, filter.find)
  const query: Finding = { db, filter, after, limit, finder }
  const set = await matchingSet(query)
  if (set !== null) {
    const wanted = await matching(query, set)
    return page(wanted.filter((one) => isAfter(one, after)).sort(byPosition), limit)
  }
  const { id, email, emailPrefix, username, word, find, cause, about, replay, ...walked } = filter
  const narrow = [email, emailPrefix, username, word, find, cause, replay].some((one) => one !== undefined)
  const all = walks(query, walked)
  const [first] = all
  if (first === undefined) return { found: [], next: null, cut: false }
  if (all.length > 1) {
    const few = await shortWalk(all, after)
    if (few !== null) return page(await matching(query, few), limit)
  }
  const isReceived = finder?.set === null && (after === null || after.isReceived === true)
  const isByState = filter.states !== undefined && (await countStates(db, filter.states, READ_MAX)) < READ_MAX
  if (isReceived && !isByState && finder.latest !== null) return walkReceived(query, finder.latest)
  return walk(query, first, narrow || all.length > 1 ? chunkOf(first, limit) : limit + 1)
}

/** Many streams get fewer rows each. */
const chunkOf = (streams: readonly Stream[], limit: number): number =>
  Math.min(CHUNK, Math.max(limit + 1, Math.floor((2 * CHUNK) / streams.length)))

interface Finding extends Query {
  readonly finder: Finder | null
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

/** Returns the possible walks: by text, by course, by states, or, without these conditions, through all deliveries. */
function walks({ db, finder }: Finding, { course, states, ...range }: DeliveryFilter): Stream[][] {
  const byText = finder === null || finder.set === null || finder.courses === null ? [] : [finding(db, finder, range)]
  const byCourse =
    course === undefined
      ? []
      : [[streamDeliveries({ db, range, only: { course } }), streamFurtherCourses({ db, range, course })]]
  const byState =
    states === undefined ? [] : [[...new Set(states)].map((state) => streamDeliveries({ db, range, only: { state } }))]
  const some = [...byText, ...byCourse, ...byState]
  return some.length > 0 ? some : [[streamDeliveries({ db, range })]]
}

/** Streams what a text finds: by words, sorted in memory, and by courses. */
function finding(db: Kysely<Tables>, { set, courses }: Finder, range: DeliveryFilter): Stream[] {
  const sorted = (set ?? []).toSorted(byPosition)
  const inMemory: Stream = async (after, limit) => {
    const rest = sorted.filter((one) => isAfter(one, after))
    return { candidates: rest.slice(0, limit), isLast: rest.length < limit }
  }
  const byCourse = (courses ?? []).flatMap((course) => [
    streamDeliveries({ db, range, only: { course } }),
    streamFurtherCourses({ db, range, course }),
  ])
  return [inMemory, ...byCourse]
}

/** Returns all candidates of a walk that ends within one chunk; null if none does. */
async function shortWalk(some: readonly Stream[][], after: Position | null): Promise<Candidate[] | null> {
  for (const streams of some) {
    const chunk = await nextChunk(streams, after, CHUNK)
    if (chunk.isLast) return [...chunk.candidates]
  }
  return null
}

async function walk(query: Finding, streams: Stream[], size: number): Promise<Matches> {
  const { after, limit } = query
  const found: Candidate[] = []
  let place = after
  for (let rowsRead = 0; rowsRead < READ_MAX; rowsRead += size * streams.length) {
    const chunk = await nextChunk(streams, place, size)
    found.push(...(await matching(query, chunk.candidates)))
    if (found.length > limit || chunk.isLast) return page(found, limit)
    place = chunk.candidates.at(-1) ?? place
  }
  return { found, next: place, cut: true }
}

/** Walks along the index of words, which is in the order of receiving. */
async function walkReceived(query: Finding, latest: NonNullable<Finder['latest']>): Promise<Matches> {
  const found: Candidate[] = []
  let place: Position | null = query.after
  for (let rowsRead = 0; rowsRead < READ_MAX; rowsRead += CHUNK) {
    const chunk = await latest(place, CHUNK)
    found.push(...(await matching(query, chunk)))
    const isLast = chunk.length < CHUNK
    if (found.length > query.limit || isLast) {
      const matches = page(found, query.limit)
      return { ...matches, next: matches.next === null ? null : received(matches.next) }
    }
    place = chunk.at(-1) ?? place
    await turn()
  }
  return { found, next: place === null ? null : received(place), cut: true }
}

const received = ({ activeAt, id }: Position): Position => ({ activeAt, id, isReceived: true })

async function nextChunk(streams: readonly Stream[], after: Position | null, size: number): Promise<Chunk> {
  const chunks: Chunk[] = []
  for (const stream of streams) {
    chunks.push(await stream(after, size))
    await turn()
  }
  const all = chunks.flatMap((chunk) => chunk.candidates).sort(byPosition)
  const candidates = all.filter(({ id }, i) => all[i - 1]?.id !== id) // two streams may have the same delivery
  return {
    candidates: candidates.slice(0, size),
    isLast: candidates.length <= size && chunks.every(({ isLast }) => isLast),
  }
}

function page(found: readonly Candidate[], limit: number): Matches {
  const items = found.slice(0, limit)
  return { found: items, next: found.length > limit ? (items.at(-1) ?? null) : null, cut: false }
}

const byPosition = (a: Position, b: Position): number => b.activeAt - a.activeAt || (a.id < b.id ? 1 : -1)
const isAfter = (one: Position, after: Position | null): boolean => after === null || byPosition(one, after) > 0
