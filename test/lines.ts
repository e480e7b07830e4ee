import type { Kysely } from 'kysely'
import type { Tables } from '../src/database/schema.ts'
import { storeLines, withLines } from '../src/queue/lines.ts'
import { type Withdrawal, withdrawalsOf } from '../src/queue/withdrawals/withdrawal.ts'
import { type Line, newLine, resultsOf, withFacts } from '../src/sale/line.ts'
import type { Delivery } from '../src/sale/types.ts'

/** What lines tell, by course: as tests compare it. */
export interface Facts {
  readonly courses: ReturnType<typeof resultsOf>
  readonly standings: Readonly<Record<string, NonNullable<Line['standing']>>>
  readonly accounts: Readonly<Record<string, NonNullable<Line['account']>>>
  readonly achievements: Readonly<Record<string, NonNullable<Line['achievement']>>>
}

export function factsOf(lines: readonly Line[]): Facts {
  const known = <T>(of: (line: Line) => T | null): Record<string, T> =>
    Object.fromEntries(
      lines.flatMap((line) => {
        const fact = of(line)
        return fact === null ? [] : [[line.course, fact]]
      }),
    )
  return {
    courses: resultsOf(lines),
    standings: known(({ standing }) => standing),
    accounts: known(({ account }) => account),
    achievements: known(({ achievement }) => achievement),
  }
}

/** A delivery with what its lines tell beside it. */
export const withFactsOf = <T extends Pick<Delivery, 'lines' | 'reason'>>(delivery: T) => {
  const { courses, ...facts } = factsOf(delivery.lines)
  return { ...delivery, ...facts, outcome: { courses, reason: delivery.reason } }
}

/** Lines that tell this instead of what they told, as if the service had given it. A kind of facts that is not given stays. */
export function linesWith(lines: readonly Line[], facts: Partial<Facts>): readonly Line[] {
  const { courses, standings, accounts, achievements } = facts
  let after = lines
  if (courses !== undefined) {
    after = withFacts(after, courses, ({ gave }, result) =>
      result === undefined ? { result: null } : { result, gave: gave ?? true },
    )
  }
  if (standings !== undefined)
    after = withFacts(after, standings, (_line, standing) => ({ standing: standing ?? null }))
  if (accounts !== undefined) after = withFacts(after, accounts, (_line, account) => ({ account: account ?? null }))
  if (achievements !== undefined)
    after = withFacts(after, achievements, (_line, achievement) => ({ achievement: achievement ?? null }))
  return after
}

/** New lines of these courses that tell this. */
export const linesOf = (courses: readonly string[], facts: Partial<Facts> = {}): readonly Line[] =>
  linesWith(courses.map(newLine), facts)

/** The lines of a delivery. */
export const linesIn = async (db: Kysely<Tables>, id: string) =>
  (await withLines(db, [{ id }])).flatMap(({ lines }) => lines)

/** What the lines of a delivery tell. */
export const factsIn = async (db: Kysely<Tables>, id: string): Promise<Facts> => factsOf(await linesIn(db, id))

/** Changes what the lines of a delivery tell, as if the service had found it out. */
export const setFacts = (db: Kysely<Tables>, id: string, facts: Partial<Facts>): Promise<void> =>
  db.transaction().execute(async (trx) => {
    const before = await linesIn(trx, id)
    await storeLines(trx, [{ id, before, lines: linesWith(before, facts) }])
  })

/** The withdrawals of a delivery as its page shows them, the latest first. */
export async function withdrawalsShown(
  { show }: { show: (id: string) => Promise<Pick<Delivery, 'id' | 'lines'> | null> },
  id: string,
): Promise<readonly Withdrawal[]> {
  const shown = await show(id)
  return shown === null ? [] : withdrawalsOf(shown)
}

/** The withdrawals that all deliveries have now, the oldest first. */
export async function withdrawalsIn(db: Kysely<Tables>): Promise<Withdrawal[]> {
  const rows = await db
    .selectFrom('delivery_lines')
    .select('delivery_id as id')
    .distinct()
    .where('withdrawal_id', 'is not', null)
    .execute()
  const orders = (await withLines(db, rows)).flatMap(withdrawalsOf)
  return orders.sort((a, b) => (a.id < b.id ? -1 : 1))
}
