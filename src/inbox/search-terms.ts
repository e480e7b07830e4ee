import { inChunks } from '../database/chunks.ts'
import type { About } from '../delivery/types.ts'
import { textOfWords } from '../words/words.ts'
import type { TransactionContext } from './events.ts'

const MAX_EMAIL = 254
const MAX_TEXT = 255
/** Search finds a delivery by at most this many courses; no shop sells more at once. */
const MAX_COURSES = 50

/** The texts by which a search finds a delivery. */
export interface SearchTerms {
  readonly email: string | null
  readonly username: string
  readonly courses: readonly string[]
  /** The words of everything but the courses; see textOfWords. */
  readonly words: string
}

/** A text as it is stored and searched for. Cut after lower-casing, which can lengthen a text ("İ"), to fit its column. */
const term = (text: string, max: number): string => text.trim().toLowerCase().slice(0, max)
/** An e-mail address or its beginning. */
export const emailTerm = (text: string): string => term(text, MAX_EMAIL)
/** A username or a course key. */
export const textTerm = (text: string): string => term(text, MAX_TEXT)

/** The search terms in a payload. */
export function searchTermsOf({ email, name = '', family = '', username = '', courseIds = [] }: About): SearchTerms {
  return {
    email: email === undefined ? null : emailTerm(email),
    username: textTerm(username),
    courses: [...new Set(courseIds.map(textTerm))].filter((course) => course !== '').slice(0, MAX_COURSES),
    words: textOfWords([email, `${name} ${family}`, username]),
  }
}

/** Stores all courses but the first, which is in the delivery's own row, so that a search finds a delivery by each. */
export async function insertFurtherCourses(
  { trx }: Pick<TransactionContext, 'trx'>,
  deliveries: readonly { readonly id: string; readonly activeAt: number; readonly courses: readonly string[] }[],
): Promise<void> {
  const rows = deliveries.flatMap(({ id, activeAt, courses }) =>
    courses.slice(1).map((course) => ({ delivery_id: id, course, active_at: activeAt })),
  )
  for (const chunk of inChunks(rows, ({ course }) => course.length)) {
    await trx.insertInto('further_courses').ignore().values(chunk).execute()
  }
}

/** Call it after each statement that sets the active_at of deliveries. */
export async function touchFurtherCourses(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return
  await trx.updateTable('further_courses').set({ active_at: at }).where('delivery_id', 'in', ids).execute()
}
