import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { emailTerm, textTerm } from '../inbox/search-terms.ts'
import { type Candidate, withFurtherCourse } from './candidates.ts'
import { withCause } from './cause.ts'
import type { DeliveryFilter } from './filter.ts'
import type { Finder } from './finder.ts'
import { withReplay } from './replayed.ts'

/** One statement looks up at most this many deliveries. */
const CHUNK = 500

/**
 * Returns the candidates that meet every condition, in their order.
 * @param of.finder what the text of the filter finds; null if it has none
 */
export async function matching(
  { db, filter, finder }: { db: Kysely<Tables>; filter: DeliveryFilter; finder: Finder | null },
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  const { course, replay, cause, about } = filter
  let found = candidates.filter((one) => meetsOwn(filter, one))
  if (cause !== undefined) found = await withCause(db, found, { code: cause, course: about })
  if (finder !== null) found = await finder.matching(found)
  if (replay !== undefined) {
    const isReplayed = (): boolean => false
    found = await those(found, (ids) => withReplay(db, { ids, replay }), isReplayed)
  }
  if (course === undefined) return found
  const isFirst = (one: Candidate): boolean => one.course === textTerm(course)
  return those(found, (ids) => withFurtherCourse(db, { ids, course }), isFirst)
}

/** The conditions that need no further statement. */
function meetsOwn(filter: DeliveryFilter, one: Candidate): boolean {
  const { id, email, emailPrefix, username, word, states, from, to } = filter
  return (
    (id === undefined || one.id === id) &&
    (states === undefined || states.includes(one.state)) &&
    (from === undefined || one.activeAt >= from) &&
    (to === undefined || one.activeAt < to) &&
    (email === undefined || one.email === emailTerm(email)) &&
    (emailPrefix === undefined || begins(one.email, emailPrefix)) &&
    (username === undefined || one.username === textTerm(username)) &&
    (word === undefined || one.username === textTerm(word) || begins(one.email, word) || one.webhookId === word)
  )
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
