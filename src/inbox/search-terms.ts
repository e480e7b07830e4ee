import { inChunks } from '../database/chunks.ts'
import type { About } from '../delivery/types.ts'
import type { TransactionContext } from './events.ts'

const MAX_EMAIL = 254
const MAX_TEXT = 255
/** More courses than this are not searched for; nobody sells so many at once. */
const MAX_COURSES = 50

/** What a delivery is found by. */
export interface SearchTerms {
  readonly email: string | null
  readonly username: string
  readonly courses: readonly string[]
}

/** A text as it is stored and searched for. Lower-casing can lengthen a text ("İ"), and MySQL cuts what is too long. */
const term = (text: string, max: number): string => text.trim().toLowerCase().slice(0, max)
/** An address, or its beginning. */
export const emailTerm = (text: string): string => term(text, MAX_EMAIL)
/** A username or a course key. */
export const textTerm = (text: string): string => term(text, MAX_TEXT)

/** What a delivery is found by, out of what its payload says. */
export function searchTermsOf({ email, username = '', courseIds = [] }: About): SearchTerms {
  return {
    email: email === undefined ? null : emailTerm(email),
    username: textTerm(username),
    courses: [...new Set(courseIds.map(textTerm))].filter((course) => course !== '').slice(0, MAX_COURSES),
  }
}

/** Makes deliveries of several courses findable by each; the first is in their own row. */
export async function insertFurtherCourses(
  { trx }: Pick<TransactionContext, 'trx'>,
  deliveries: readonly { readonly id: string; readonly activeAt: number; readonly courses: readonly string[] }[],
): Promise<void> {
  const rows = deliveries.flatMap(({ id, activeAt, courses }) =>
    courses.slice(1).map((course) => ({ delivery_id: id, course, active_at: activeAt })),
  )
  for (const part of inChunks(rows, ({ course }) => course.length)) {
    await trx.insertInto('further_courses').ignore().values(part).execute()
  }
}

/** To be called wherever the active_at of deliveries is set, after it. */
export async function touchFurtherCourses(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return
  await trx.updateTable('further_courses').set({ active_at: at }).where('delivery_id', 'in', ids).execute()
}
