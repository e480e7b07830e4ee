import type { DeliveryRow } from '../../database/schema.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import type { AuditedContext } from '../audited-change.ts'
import { lockDeliveries } from '../lock.ts'
import { readRequest } from '../rows.ts'

/** A delivery that a refund concerns. `keysOf`: its course keys, by the key in the refund. */
export interface Concerned {
  readonly row: DeliveryRow
  readonly keysOf: ReadonlyMap<string, readonly string[]>
}

/**
 * Follows the corrections of the buyer's deliveries to their ends, also to other addresses: the shop refunds what it sold,
 * and doesn't know what an operator corrected. Locks what it finds. The result has the deliveries of the buyer too, and
 * is sorted by id.
 * @param rows all deliveries of the buyer, locked
 * @param named the course keys of the refund
 */
export async function followCorrections(
  { trx }: Pick<AuditedContext, 'trx'>,
  { rows, named }: { rows: readonly DeliveryRow[]; named: readonly string[] },
): Promise<Concerned[]> {
  const all = new Map(rows.map((row) => [row.id, row]))
  const keys = new Map(rows.map(({ id }) => [id, new Map(named.map((course) => [course, [course]]))]))
  const open = [...rows]
  for (let row = open.shift(); row !== undefined; row = open.shift()) {
    if (row.replaced_by === null) continue
    const next = all.get(row.replaced_by) ?? (await lockAndRead({ trx }, row.replaced_by))
    if (next === undefined) continue
    all.set(next.id, next)
    const into = keys.get(next.id) ?? new Map<string, string[]>()
    keys.set(next.id, into)
    // Corrections that were taken back make a circle, so only what is new is followed.
    if (addReplacements({ row, next, from: keys.get(row.id) ?? new Map(), into })) open.push(next)
  }
  return [...all.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((row) => ({ row, keysOf: keys.get(row.id) ?? new Map() }))
}

async function lockAndRead({ trx }: Pick<AuditedContext, 'trx'>, id: string): Promise<DeliveryRow | undefined> {
  await lockDeliveries({ trx }, [id])
  return trx.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Adds what replaces each key of `row` in `next`. Tells whether that was anything new. */
function addReplacements(of: {
  row: DeliveryRow
  next: DeliveryRow
  from: ReadonlyMap<string, readonly string[]>
  into: Map<string, string[]>
}): boolean {
  const { row, next, from, into } = of
  const [before, after] = [coursesOf(row), coursesOf(next)]
  let isNew = false
  for (const [named, keys] of from) {
    const known = into.get(named) ?? []
    const found = keys
      .flatMap((key) => replacementsOf(key, { before, after }))
      .filter((key) => !known.some((one) => isSameCourse(one, key)))
    if (found.length === 0) continue
    into.set(named, [...known, ...found])
    isNew = true
  }
  return isNew
}

/** [] for a request that can't be read. */
function coursesOf({ request }: Pick<DeliveryRow, 'request'>): readonly string[] {
  try {
    return request === null ? [] : [...new Set(readRequest(request).courseIds)]
  } catch {
    return []
  }
}

/**
 * The keys that replace a key of a corrected delivery. One that stayed replaces itself. The others are taken by their
 * order, or all of them replace the only one that is gone. Otherwise nobody can tell, and none does. Pure.
 */
export function replacementsOf(
  key: string,
  { before, after }: { before: readonly string[]; after: readonly string[] },
): readonly string[] {
  const has = (keys: readonly string[], one: string): boolean => keys.some((other) => isSameCourse(other, one))
  if (!has(before, key)) return []
  const stayed = after.filter((one) => isSameCourse(one, key))
  if (stayed.length > 0) return stayed
  const gone = before.filter((one) => !has(after, one))
  const added = after.filter((one) => !has(before, one))
  if (gone.length === added.length) return added.filter((_, i) => isSameCourse(gone[i] ?? '', key))
  return gone.length === 1 ? added : []
}
