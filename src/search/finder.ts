import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { countWords, differentWords, idsWithWord, latestWithWord } from '../words/index-words.ts'
import { knownCourses } from '../words/known-courses.ts'
import { type Phrase, phrasesOf, spaced, type Token } from '../words/words.ts'
import { byIds, type Candidate, furtherCoursesOf, idsBeginning, type Position } from './candidates.ts'

/** At most this many deliveries are sorted in memory. */
const SET_MAX = 5000
/** The rows of one statement. */
const CHUNK = 500
/** With more courses, a walk through all deliveries soon fills a page. */
const COURSES_WALKED = 32
/** With more different words, likewise. */
const WORDS_WALKED = 20
/** The beginning of an id must be this long. Fewer characters would find too many. */
const ID_BEGINNING = 8
const IDS_MAX = 100

/** A phrase with the course keys that contain it, and the one of its words that the fewest deliveries have. */
interface Sought {
  readonly phrase: Phrase
  readonly courses: ReadonlySet<string>
  readonly rarest: Token | null
  /** How many entries the index has for it, up to SET_MAX + 1. */
  readonly count: number
}

/** What a search for a text can start from, and which candidates it finds. */
export interface Finder {
  /** The candidates that the text finds, in their order. */
  matching(candidates: readonly Candidate[]): Promise<Candidate[]>
  /** All deliveries that it may find by words or ids; null if there are too many. */
  readonly set: readonly Candidate[] | null
  /** The courses whose deliveries it finds too; null if there are too many. */
  readonly courses: readonly string[] | null
  /**
   * The latest received deliveries that it may find by words, before a position; null if the words are too many. Use it
   * if `set` is null and `courses` is empty.
   */
  readonly latest: ((before: Position | null, limit: number) => Promise<Candidate[]>) | null
}

/**
 * Prepares a search for deliveries by a text. Every part of the text, between two spaces, must be found in the address,
 * the name, the username or a course key. In a course key a part can begin anywhere, elsewhere at the beginning of a
 * word. One part can also be the beginning of an id. A complete course key finds only this course. Where very many words
 * begin with a part, it finds only this word, if there is one.
 */
export async function createFinder(db: Kysely<Tables>, text: string): Promise<Finder> {
  const phrases = phrasesOf(text)
  const known = await knownCourses(db)
  const sought: Sought[] = []
  for (const phrase of phrases) sought.push(await seek(db, phrase, coursesOf(known, { phrase, text })))
  const word = text.trim()
  const hasId = word.length >= ID_BEGINNING && !/\s/.test(word)
  const ids = new Set(hasId ? await idsBeginning(db, word, IDS_MAX) : [])
  const start = sought.toSorted((a, b) => cost(a) - cost(b))[0]
  const matching = (candidates: readonly Candidate[]) => matchingOf({ db, sought, ids }, candidates)
  if (start === undefined) return { matching: async () => [], set: [], courses: [], latest: null }
  const { rarest, count, courses } = start
  const isSet = count <= SET_MAX
  const byWord = isSet && rarest !== null ? await idsWithWord(db, rarest, SET_MAX) : []
  const words = isSet || rarest === null || courses.size > 0 ? null : await differentWords(db, rarest, WORDS_WALKED)
  return {
    matching,
    set: isSet ? await candidatesOf(db, [...new Set([...ids, ...byWord])]) : null,
    courses: courses.size > COURSES_WALKED ? null : [...courses],
    latest: words === null ? null : (before, limit) => latestOf({ db, words }, before, limit),
  }
}

/** A start that has a set and no courses is the cheapest one. */
const cost = ({ count, courses }: Sought): number => count + courses.size * SET_MAX

async function seek(db: Kysely<Tables>, phrase: Phrase, courses: ReadonlySet<string>): Promise<Sought> {
  let rarest: Token | null = null
  let count = Number.POSITIVE_INFINITY
  for (const token of phrase.tokens) {
    const found = await countWords(db, token, SET_MAX + 1)
    if (found < count) {
      rarest = token
      count = found
    }
  }
  if (rarest === null) return { phrase, courses, rarest, count: 0 }
  const whole = { text: rarest.text, isWhole: true }
  if (count <= SET_MAX || rarest.isWhole || (await differentWords(db, rarest, WORDS_WALKED)) !== null)
    return { phrase, courses, rarest, count }
  const ofWhole = await countWords(db, whole, SET_MAX + 1)
  if (ofWhole === 0) return { phrase, courses, rarest, count }
  return { phrase: { ...phrase, text: `${phrase.text.trimEnd()} ` }, courses, rarest: whole, count: ofWhole }
}

function coursesOf(known: readonly string[], { phrase, text }: { phrase: Phrase; text: string }): Set<string> {
  const whole = text.trim().toLowerCase()
  if (known.includes(whole)) return new Set([whole])
  return new Set(known.filter((course) => spaced(course).includes(phrase.fragment)))
}

async function candidatesOf(db: Kysely<Tables>, ids: readonly string[]): Promise<Candidate[]> {
  const found: Candidate[] = []
  for (let i = 0; i < ids.length; i += CHUNK) found.push(...(await byIds(db, ids.slice(i, i + CHUNK))))
  return found
}

/** Merges the latest deliveries with each of the words, the latest received first. */
async function latestOf(
  { db, words }: { db: Kysely<Tables>; words: readonly string[] },
  before: Position | null,
  limit: number,
): Promise<Candidate[]> {
  const ids = new Set<string>()
  for (const word of words) {
    for (const id of await latestWithWord(db, { word, before: before?.id ?? null, limit })) ids.add(id)
  }
  const latest = [...ids].sort().reverse().slice(0, limit)
  const found = new Map((await byIds(db, latest)).map((one) => [one.id, one]))
  return latest.flatMap((id) => found.get(id) ?? [])
}

async function matchingOf(
  { db, sought, ids }: { db: Kysely<Tables>; sought: readonly Sought[]; ids: ReadonlySet<string> },
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  const byCourse = sought.some(({ courses }) => courses.size > 0)
  const further = new Map<string, string[]>()
  for (let i = 0; byCourse && i < candidates.length; i += CHUNK) {
    const some = candidates.slice(i, i + CHUNK).map(({ id }) => id)
    for (const [id, courses] of await furtherCoursesOf(db, some)) further.set(id, courses)
  }
  return candidates.filter(({ id, words, course }) => {
    const courses = [course ?? '', ...(further.get(id) ?? [])]
    const has = (one: Sought): boolean =>
      (words?.includes(one.phrase.text) ?? false) || courses.some((key) => one.courses.has(key))
    return ids.has(id) || sought.every(has)
  })
}
