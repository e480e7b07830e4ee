import type { Kysely, Transaction } from 'kysely'
import type { LineRow, Tables } from '../database/schema.ts'
import { insertRows } from '../database/transaction.ts'
import { courseIdentity, isSameCourse } from '../sale/course-key.ts'
import type {
  Achievement,
  Achievements,
  BuyerAccounts,
  CourseStanding,
  LmsAccount,
  Outcome,
  Standings,
} from '../sale/types.ts'
import { courseTerm } from './search-terms.ts'

/** What is known of the courses of a delivery, by true course key. */
export interface Facts {
  readonly courses: Outcome['courses']
  readonly standings: Standings
  readonly accounts: BuyerAccounts
  readonly achievements: Achievements
}

/** A line before anything is known of its course. */
type NewLine = Pick<LineRow, 'delivery_id' | 'position' | 'course' | 'sent'>

const MAX_KEY = 255
/** Rows of one statement: SQLite takes 32,766 values. */
const STEP = 1000

/** The lines of a delivery with these keys: one for each course, without blank keys. Pure. */
export function newLines(id: string, courseIds: readonly string[]): NewLine[] {
  const courses = new Map<string, string>()
  for (const text of courseIds) {
    const key = text.replace(/\s+/g, ' ').trim().slice(0, MAX_KEY)
    const identity = courseIdentity(key)
    if (key !== '' && !courses.has(identity)) courses.set(identity, key)
  }
  return [...courses.values()].map((sent, position) => ({
    delivery_id: id,
    position,
    course: courseTerm(sent),
    sent,
  }))
}

/** Stores the lines of new deliveries. */
export async function insertLines(trx: Transaction<Tables>, rows: readonly NewLine[]): Promise<void> {
  for (let from = 0; from < rows.length; from += STEP) {
    await insertRows({ trx, into: 'delivery_lines', rows: rows.slice(from, from + STEP) })
  }
}

/** Stores lines as they are, in a transaction that has locked their deliveries before it read them. */
export async function storeLines(trx: Transaction<Tables>, rows: readonly LineRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += STEP) {
    await insertRows({ trx, into: 'delivery_lines', rows: rows.slice(from, from + STEP), existing: 'replace' })
  }
}

/** The row of a delivery with its lines, in the order of the sale. */
export type WithLines<Row> = Row & { readonly lines: readonly LineRow[] }

/** Reads the lines of deliveries. */
export async function withLines<Row extends { readonly id: string }>(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  rows: readonly Row[],
): Promise<WithLines<Row>[]> {
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return []
  const found = await db.selectFrom('delivery_lines').selectAll().where('delivery_id', 'in', ids).execute()
  const byId = Map.groupBy(
    found.sort((a, b) => a.position - b.position),
    (line) => line.delivery_id,
  )
  return rows.map((row) => ({ ...row, lines: byId.get(row.id) ?? [] }))
}

/** The deliveries that gave a course to one of these accounts, by the LMS's ids. */
export async function soldToAccounts(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  accountIds: readonly number[],
): Promise<string[]> {
  if (accountIds.length === 0) return []
  const lines = db.selectFrom('delivery_lines').select('delivery_id').distinct()
  return (await lines.where('user_id', 'in', accountIds).execute()).map(({ delivery_id }) => delivery_id)
}

/** The line of a course, by any spelling of its key. */
export const lineOf = ({ lines }: WithLines<object>, course: string): LineRow | undefined =>
  lines.find(({ sent }) => isSameCourse(sent, course))

/** The key under which facts about a line are known. */
export const keyOf = ({ course_key, sent }: Pick<LineRow, 'course_key' | 'sent'>): string => course_key ?? sent

/** What lines tell of a delivery. Pure. */
export function factsOf(lines: readonly LineRow[]): Facts {
  const byKey = <T>(of: (line: LineRow) => T | null): Record<string, T> =>
    Object.fromEntries(
      lines.flatMap((line) => {
        const fact = of(line)
        return fact === null ? [] : [[keyOf(line), fact]]
      }),
    )
  return {
    courses: byKey(({ result }) => result),
    standings: byKey(standingOf),
    accounts: byKey(accountOf),
    achievements: byKey(achievementOf),
  }
}

/** What the last check found in the course of a line; null before the first check. */
export function standingOf(line: LineRow): CourseStanding | null {
  const { standing, mode, checked_at, since, checks, ended_at, moved } = line
  if (standing === null) return null
  return {
    standing,
    mode,
    checkedAt: checked_at ?? 0,
    since: since ?? 0,
    checks: checks ?? 0,
    ...(ended_at === null ? {} : { endedAt: ended_at }),
    ...(moved === null ? {} : { moved: true }),
  }
}

const accountOf = ({ user_id: id, username }: LineRow): LmsAccount | null =>
  id === null || username === null ? null : { id, username }

function achievementOf({ passed_at: passedAt, percent, ...line }: LineRow): Achievement | null {
  if (passedAt === null) return null
  const { certificate: status, certificate_url: url, certificate_at: createdAt } = line
  return {
    passedAt,
    ...(percent === null ? {} : { percent }),
    ...(status === null || createdAt === null ? {} : { certificate: { status, url, createdAt } }),
  }
}

/** Of a line that nobody has checked since its last result. */
export const NO_STANDING = {
  standing: null,
  mode: null,
  checked_at: null,
  since: null,
  checks: null,
  ended_at: null,
  moved: null,
} as const satisfies Partial<LineRow>

/**
 * The lines that these facts change, as they are afterwards. Each kind of facts that is given replaces what was known of
 * its kind, in all courses. Pure.
 * @throws Error for a fact about a course that the delivery doesn't name
 */
export function changedLines(lines: readonly LineRow[], facts: Partial<Facts>): LineRow[] {
  const changed = new Map(lines.map((line) => [courseIdentity(line.sent), { ...line }]))
  const add = <T>(
    of: Readonly<Record<string, T>> | undefined,
    toColumns: (fact: T | null) => Partial<LineRow>,
  ): void => {
    if (of === undefined) return
    for (const line of changed.values()) Object.assign(line, toColumns(null))
    for (const [key, fact] of Object.entries(of)) {
      const line = changed.get(courseIdentity(key))
      if (line === undefined) throw new Error(`the delivery does not name the course ${key}`)
      Object.assign(line, toColumns(fact), { course_key: key })
    }
  }
  add(facts.courses, (result) => ({ result }))
  add(facts.standings, standingColumns)
  add(facts.accounts, (account) => ({ user_id: account?.id ?? null, username: account?.username ?? null }))
  add(facts.achievements, achievementColumns)
  const before = new Set(lines.map((line) => JSON.stringify(line)))
  return [...changed.values()].filter((line) => !before.has(JSON.stringify(line)))
}

function standingColumns(found: CourseStanding | null): Partial<LineRow> {
  if (found === null) return NO_STANDING
  const { standing, mode, checkedAt, since, checks, endedAt = null, moved } = found
  return { standing, mode, checked_at: checkedAt, since, checks, ended_at: endedAt, moved: moved ? 1 : null }
}

const achievementColumns = (achieved: Achievement | null): Partial<LineRow> => ({
  passed_at: achieved?.passedAt ?? null,
  percent: achieved?.percent ?? null,
  certificate: achieved?.certificate?.status ?? null,
  certificate_url: achieved?.certificate?.url ?? null,
  certificate_at: achieved?.certificate?.createdAt ?? null,
})
