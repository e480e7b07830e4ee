import type { Db, DeliveryRow, LineRow, Trx } from '../database/schema.ts'
import { insertRows } from '../database/transaction.ts'
import { courseIdentity } from '../sale/course-key.ts'
import {
  type Achievement,
  type CourseStanding,
  hasFailed,
  type Line,
  type LineWithdrawal,
  newLine,
} from '../sale/line.ts'

const MAX_KEY = 255

/** The lines of a delivery with these keys: one for each course, without blank keys. Pure. */
export function newLines(courseIds: readonly string[]): Line[] {
  const courses = new Map<string, Line>()
  for (const text of courseIds) {
    const key = text.replace(/\s+/g, ' ').trim().slice(0, MAX_KEY)
    const identity = courseIdentity(key)
    if (key !== '' && !courses.has(identity)) courses.set(identity, newLine(key))
  }
  return [...courses.values()]
}

/** Deliveries by their ids, with all their lines. `before`: as they are stored; absent: they are new. */
interface Changed {
  readonly id: string
  readonly before?: readonly Line[]
  readonly lines: readonly Line[]
}

/** A line can't be stored without these. */
const NEEDED: readonly string[] = ['delivery_id', 'position', 'sent', 'course_key'] satisfies (keyof LineRow)[]

/**
 * Stores the lines that have changed, in a transaction that has locked their deliveries before it read them. Writes only the
 * columns that change, because most lines have nothing in most of the others.
 */
export async function storeLines(trx: Trx, changed: readonly Changed[]): Promise<void> {
  const columns = new Set(NEEDED)
  const rows = changed.flatMap(({ id, before = [], lines }) =>
    lines.flatMap((line, position) => {
      const row = toRow({ id, position, line })
      const old = before[position]
      const oldRow = old === undefined ? {} : toRow({ id, position, line: old })
      const differ = Object.entries(row).filter(([name, value]) => value !== (Reflect.get(oldRow, name) ?? null))
      for (const [name] of differ) columns.add(name)
      return differ.length === 0 ? [] : [row]
    }),
  )
  const existing = { key: ['delivery_id', 'position'] } as const
  await insertRows({ trx, into: 'delivery_lines', rows, columns: [...columns], existing })
}

/** The row of a delivery with its lines, in the order of the sale. */
export type WithLines<Row> = Row & { readonly lines: readonly Line[] }

/** Reads the lines of deliveries. */
export async function withLines<Row extends { readonly id: string }>(
  db: Db,
  rows: readonly Row[],
): Promise<WithLines<Row>[]> {
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return []
  const found = await db.selectFrom('delivery_lines').selectAll().where('delivery_id', 'in', ids).execute()
  const byId = Map.groupBy(
    found.sort((a, b) => a.position - b.position),
    (line) => line.delivery_id,
  )
  return rows.map((row) => ({ ...row, lines: (byId.get(row.id) ?? []).map(toLine) }))
}

/** The same of deliveries of which nothing else is needed. */
export const linesOf = (
  db: Db,
  ids: readonly string[],
): Promise<{ readonly id: string; readonly lines: readonly Line[] }[]> =>
  withLines(
    db,
    ids.map((id) => ({ id })),
  )

/** Reads deliveries with all that is stored of them, as far as they exist. */
export const readDeliveries = async (db: Db, ids: readonly string[]): Promise<WithLines<DeliveryRow>[]> =>
  ids.length === 0 ? [] : withLines(db, await db.selectFrom('deliveries').selectAll().where('id', 'in', ids).execute())

/**
 * The ids of the deliveries to these addresses (as they are stored), and of those that gave a course to one of these
 * accounts. Two statements: one with an `or` between two tables reads all deliveries.
 */
export async function salesTo(
  db: Db,
  { addresses, accountIds }: { addresses: readonly (string | null)[]; accountIds: readonly number[] },
): Promise<string[]> {
  const named = db.selectFrom('deliveries').select('id').where('email', 'in', addresses)
  const given = db.selectFrom('delivery_lines').select('delivery_id as id').where('user_id', 'in', accountIds)
  const rows = [
    ...(addresses.length === 0 ? [] : await named.execute()),
    ...(accountIds.length === 0 ? [] : await given.execute()),
  ]
  return [...new Set(rows.map(({ id }) => id))]
}

/** The addresses (as they are stored) of the deliveries that gave a course to one of these accounts. */
export async function addressesOfSalesTo(db: Db, accountIds: readonly number[]): Promise<string[]> {
  if (accountIds.length === 0) return []
  const rows = await db
    .selectFrom('delivery_lines')
    .innerJoin('deliveries', 'deliveries.id', 'delivery_lines.delivery_id')
    .select('deliveries.email')
    .distinct()
    .where('delivery_lines.user_id', 'in', accountIds)
    .execute()
  return rows.flatMap(({ email }) => email ?? [])
}

/** Those of these deliveries whose buyers are to be taken out of courses. */
export async function readWithdrawing(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set()
  const lines = db.selectFrom('delivery_lines').select('delivery_id').where('delivery_id', 'in', ids)
  const open = await lines.where('withdrawal_state', '=', 'open').execute()
  return new Set(open.map(({ delivery_id }) => delivery_id))
}

function toLine(row: LineRow): Line {
  const { sent, course_key: course, result, user_id: id, username, claimed, named, gave } = row
  return {
    sent,
    course,
    result,
    standing: standingOf(row),
    account: id === null || username === null ? null : { id, username },
    named: named !== null,
    gave: gave === null ? null : gave === 1,
    modeBefore: row.mode_before,
    claimed: claimed !== null,
    achievement: achievementOf(row),
    withdrawal: withdrawalOf(row),
  }
}

function standingOf(row: LineRow): CourseStanding | null {
  const { standing, mode, checked_at: checkedAt, since, ended_at: endedAt, moved } = row
  if (standing === null || checkedAt === null || since === null) return null
  const ended = endedAt === null ? {} : { endedAt }
  return { standing, mode, checkedAt, since, ...ended, ...(moved === null ? {} : { moved: true }) }
}

function achievementOf({ passed_at: passedAt, percent, ...row }: LineRow): Achievement | null {
  if (passedAt === null) return null
  const { certificate: status, certificate_url: url, certificate_at: createdAt } = row
  return {
    passedAt,
    ...(percent === null ? {} : { percent }),
    ...(status === null || createdAt === null ? {} : { certificate: { status, url, createdAt } }),
  }
}

function withdrawalOf(row: LineRow): LineWithdrawal | null {
  const { withdrawal_id: id, withdrawal_at: at, withdrawal_kind: kind, withdrawal_kept_by: keptBy } = row
  if (id === null) return null
  const isOpen = row.withdrawal_state === 'open'
  const found = { mode: row.withdrawal_mode, why: row.withdrawal_why ?? '' }
  const rest = {
    ...(keptBy === null ? {} : { keptBy }),
    ...(row.withdrawal_moved === null ? {} : { moved: true as const }),
  }
  return {
    id,
    paid: row.withdrawal_paid === 1,
    hadBefore: row.withdrawal_had_before === 1,
    by: row.withdrawal_by ?? '',
    isRefund: row.withdrawal_refund === 1,
    requestedAt: row.withdrawal_requested_at ?? 0,
    dueAt: isOpen ? at : null,
    endedAt: isOpen ? null : at,
    attempts: row.withdrawal_attempts ?? 0,
    called: row.withdrawal_called === 1,
    result: kind === null ? null : { kind, ...found, ...rest },
    message: row.withdrawal_message ?? '',
  }
}

function stateOf(order: LineWithdrawal): LineRow['withdrawal_state'] {
  if (order.endedAt === null) return 'open'
  return hasFailed(order) ? 'failed' : 'done'
}

function withdrawalColumns(order: LineWithdrawal | null) {
  const result = order?.result ?? null
  return {
    withdrawal_id: order?.id ?? null,
    withdrawal_state: order === null ? null : stateOf(order),
    withdrawal_at: order?.endedAt ?? order?.dueAt ?? null,
    withdrawal_paid: order === null ? null : Number(order.paid),
    withdrawal_had_before: order === null ? null : Number(order.hadBefore),
    withdrawal_by: order?.by ?? null,
    withdrawal_refund: order === null ? null : Number(order.isRefund),
    withdrawal_requested_at: order?.requestedAt ?? null,
    withdrawal_attempts: order?.attempts ?? null,
    withdrawal_called: order === null ? null : Number(order.called),
    withdrawal_kind: result?.kind ?? null,
    withdrawal_mode: result?.mode ?? null,
    withdrawal_why: result?.why ?? null,
    withdrawal_kept_by: result?.keptBy ?? null,
    withdrawal_moved: result?.moved ? 1 : null,
    withdrawal_message: order?.message ?? null,
  } satisfies Partial<LineRow>
}

function toRow({ id, position, line }: { id: string; position: number; line: Line }): LineRow {
  const { sent, course, result, standing, account, named, gave, modeBefore, claimed, achievement, withdrawal } = line
  return {
    delivery_id: id,
    position,
    sent,
    course_key: course,
    result,
    user_id: account?.id ?? null,
    username: account?.username ?? null,
    named: named ? 1 : null,
    gave: gave === null ? null : Number(gave),
    mode_before: modeBefore,
    claimed: claimed ? 1 : null,
    standing: standing?.standing ?? null,
    mode: standing?.mode ?? null,
    checked_at: standing?.checkedAt ?? null,
    since: standing?.since ?? null,
    ended_at: standing?.endedAt ?? null,
    moved: standing?.moved ? 1 : null,
    passed_at: achievement?.passedAt ?? null,
    percent: achievement?.percent ?? null,
    certificate: achievement?.certificate?.status ?? null,
    certificate_url: achievement?.certificate?.url ?? null,
    certificate_at: achievement?.certificate?.createdAt ?? null,
    ...withdrawalColumns(withdrawal),
  }
}
