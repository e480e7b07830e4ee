import type { Db, DeliveryRow } from '../../database/schema.ts'
import { lockDeliveries, remove } from '../../queue/change-deliveries.ts'
import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from '../../queue/events.ts'
import { forgetIdsOf, makeForgottenSecret } from '../../queue/forgotten-ids.ts'
import { along, type Position, readInOrder } from '../../queue/in-order.ts'
import { readWithdrawing } from '../../queue/lines.ts'
import { markHandled } from '../../queue/mark-handled.ts'
import { type HeldPeople, holdPeople } from '../../queue/replicas/hold-people.ts'
import { TIMING } from '../../queue/replicas/timing.ts'
import { personOf } from '../../queue/rows.ts'
import { digestOfAddress, emailTerm, fold, textTerm } from '../../queue/search-terms.ts'
import { STOPPED_STATES } from '../../sale/types.ts'
import { AppError } from '../../service/lib/errors.ts'
import { type DeliveryFilter, wordsOf } from '../find/filter.ts'
import { search } from '../find/search.ts'
import { readable } from './bulk-replay.ts'

const STEP = 100

/** The result of erasing a person. */
export interface ForgottenPerson {
  /** How many deliveries were erased. */
  readonly deliveries: number
  /** How many allowances were deleted in the LMS; null if that was not ordered, or failed. */
  readonly allowances: number | null
  /** Whether nothing of the person can be read in the database's files any more. */
  readonly clean: boolean
  /** Why the allowances could not be deleted, in one line; null otherwise. */
  readonly failure: string | null
}

/** How a person is erased. */
interface ForgetOrder {
  readonly email: string
  readonly by: string
  /** What else is done while nobody else can act for the person, before the rows are erased. */
  readonly underHold?: (held: HeldPeople) => Promise<void>
  /** Called once if it has to wait for a call to the LMS, or for what the LMS may still carry out. */
  readonly onWait?: () => void
  /** A replica that is silent for this long may no longer call the LMS. */
  readonly silentMs?: number
  /** For how long the LMS may still carry out a call that was given up. */
  readonly landsMs?: number
}

/**
 * Refuses while a refund or a withdrawal for the person is to be carried out. Otherwise it stops the work on a person's
 * deliveries, takes the hold of the person as soon as no call to the LMS for them is in flight or may still land, and erases the
 * person from the tables: the deliveries of this address in any state, with their events, and those that they correct;
 * rejected deliveries that only mention the address; and bulk replays whose filter names it. A sale that comes meanwhile is a
 * new one, and waits for the hold. Of the webhook-ids of the erased sales, keyed hashes stay: see forgotten-ids.ts. The audit
 * then shows that a person was forgotten, but not who. It works in steps, each in one transaction, and can be repeated safely.
 *
 * The `traces` that it returns are texts that must not remain anywhere in the database's files. Any copy of a row or an
 * index entry that SQLite left behind begins with one of them, because SQLite stores columns one after the other, with
 * nothing in between.
 * @throws AppError withdrawal.open; if a refund came in the meantime, a part may be erased
 */
export async function forget(
  context: WriteContext,
  { email, by, underHold, onWait, silentMs = TIMING.deadAfterMs, landsMs = TIMING.landsMs }: ForgetOrder,
): Promise<Pick<ForgottenPerson, 'deliveries'> & { traces: readonly string[] }> {
  const { db } = context.database
  const address = emailTerm(email)
  await refuseOpenWithdrawals(db, address)
  await stopWork(context, { address, by })
  await makeForgottenSecret(db)
  const timing = { ...TIMING, deadAfterMs: silentMs, landsMs }
  const held = await holdPeople(context, { names: await peopleOf(db, address), timing, onWait })
  try {
    await refuseOpenWithdrawals(db, address)
    const ids = await readErased(db, address) // not what comes from now on: that is a new sale
    await underHold?.(held)
    return await eraseHeld(context, { held, ids, address, email, by })
  } finally {
    await held.release()
  }
}

/** The holds of a person: that of the address, and those of the deliveries at other addresses that are erased with it. */
async function peopleOf(db: Db, address: string): Promise<readonly string[]> {
  const ids = await readCorrectedTo(db, address)
  if (ids.length === 0) return [address]
  const rows = await db.selectFrom('deliveries').select(['id', 'email']).where('id', 'in', ids).execute()
  return [...new Set([address, ...rows.map(personOf)])]
}

/** Erases what is stored of a person whose holds this process has. */
async function eraseHeld(
  context: WriteContext,
  of: { held: HeldPeople; ids: readonly string[]; address: string; email: string; by: string },
): Promise<Pick<ForgottenPerson, 'deliveries'> & { traces: readonly string[] }> {
  const { held, address, email, by } = of
  const { db } = context.database
  const traces = new Set([email.trim(), address])
  const usernames = new Set<string>()
  const texts = new Set<string>()
  let erased = 0
  const eraseAll = async (ids: readonly string[]): Promise<void> => {
    for (let from = 0; from < ids.length; from += STEP) {
      const some = ids.slice(from, from + STEP)
      const result = await auditedChange(context, async (writing) => {
        await lockDeliveries(writing, some) // a refund locks them too
        await held.assertIn(writing.trx)
        return erase(writing, { ids: some, address, by })
      })
      for (const row of result) {
        for (const text of row.traces) traces.add(text)
        if (row.username) usernames.add(row.username)
        texts.add(row.search_text)
      }
      erased += result.length
    }
  }
  await eraseAll(of.ids)
  for await (const ids of rejectedMentioning(db, address)) await eraseAll(ids)
  await db
    .deleteFrom('webhook_ids')
    .where('orders', 'is', null)
    .where('digest', '=', digestOfAddress(address))
    .execute()
  await forgetBulkReplays(db, { address, usernames, texts })
  return { deliveries: erased, traces: [...traces] }
}

/**
 * How many deliveries `forget` would erase now. Changes nothing.
 * @throws AppError withdrawal.open, as forget would
 */
export async function countForgettable({ database: { db } }: WriteContext, email: string): Promise<number> {
  const address = emailTerm(email)
  await refuseOpenWithdrawals(db, address)
  const ids = new Set(await readErased(db, address))
  for await (const mentioning of rejectedMentioning(db, address)) for (const id of mentioning) ids.add(id)
  return ids.size
}

/** Marks queued deliveries as handled, so that no replica makes a further call. */
async function stopWork(context: WriteContext, { address, by }: { address: string; by: string }): Promise<void> {
  for (;;) {
    const rows = await context.database.db
      .selectFrom('deliveries')
      .select('id')
      .where('email', '=', address)
      .where('state', '=', 'queued')
      .limit(STEP)
      .execute()
    if (rows.length === 0) return
    for (const { id } of rows) await markHandled(context, { id, as: 'settled', note: 'to be erased', by })
  }
}

/** The deliveries that are erased: first those that deliveries of this address correct, because these lead to them. */
async function readErased(db: Db, address: string): Promise<readonly string[]> {
  const own = await db.selectFrom('deliveries').select('id').where('email', '=', address).execute()
  return [...(await readCorrectedTo(db, address)), ...own.map(({ id }) => id)]
}

/**
 * The deliveries at other addresses that deliveries of this one correct: they hold the same person, and without what corrects
 * them, a repeat would start what was wrong. Not those that an operator has replayed since, which are sales to their address.
 */
async function readCorrectedTo(db: Db, address: string): Promise<readonly string[]> {
  const corrections = db.selectFrom('deliveries').select('id').where('email', '=', address)
  const found = new Set<string>()
  for (let next = await corrections.where('replaces', 'is not', null).execute(); next.length > 0; ) {
    const ids = next.map(({ id }) => id)
    // By the index of states alone. A correction names only the last delivery that it replaces.
    const corrected = along(db, 'deliveries_state').select('id').where('state', 'in', STOPPED_STATES)
    next = (await corrected.where('replaced_by', 'in', ids).execute()).filter(({ id }) => !found.has(id))
    for (const { id } of next) found.add(id)
  }
  return [...found]
}

const NOTHING = { result: [], listed: [] }

interface Erased extends Pick<DeliveryRow, 'id' | 'username' | 'search_text'> {
  readonly traces: readonly string[]
}

/** Erases deliveries that the transaction has locked. */
async function erase(
  writing: TransactionContext,
  { ids, address, by }: { ids: readonly string[]; address: string; by: string },
): Promise<{ result: Erased[]; listed: EventDraft[] }> {
  const { trx } = writing
  await refuseOpenWithdrawals(trx, address) // again, because a refund may have come before the lock
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', 'digest', 'email', 'username', 'search_text'])
    .where('id', 'in', ids)
    .execute()
  const found = rows.map(({ id }) => id).sort()
  if (found.length === 0) return NOTHING
  const named = await trx
    .selectFrom('delivery_lines')
    .select(['delivery_id', 'position', 'sent'])
    .where('delivery_id', 'in', found)
    .execute()
  const lines = Map.groupBy(named, ({ delivery_id }) => delivery_id)
  const noted = await trx.selectFrom('events').select(['id', 'delivery_id']).where('delivery_id', 'in', found).execute()
  const events = Map.groupBy(noted, ({ delivery_id }) => delivery_id)
  await forgetIdsOf(writing, found)
  await remove(writing, found)
  await trx.deleteFrom('outbox').where('about', 'in', found).execute()
  const result = rows.map(({ digest, email, ...row }) => {
    const told = (events.get(row.id) ?? []).map((event) => row.id + event.id)
    // SQLite stores 0 and 1 in no byte, and other small numbers in one.
    const sold = (lines.get(row.id) ?? []).map(
      ({ position, sent }) => row.id + (position < 2 ? '' : String.fromCharCode(position)) + sent,
    )
    const texts = [digest, email ?? '', row.username ? row.username + row.id : '', ...told, ...sold]
    return { ...row, traces: texts.filter((text) => text !== '') }
  })
  const detail = found.length === 1 ? '1 delivery' : `${found.length} deliveries`
  return { result, listed: [{ deliveryId: '', kind: 'forgotten', detail, actor: by }] }
}

/** Yields the ids of rejected deliveries whose body mentions the address, in groups. Their address could not be read. */
async function* rejectedMentioning(db: Db, address: string): AsyncGenerator<string[]> {
  for (let after: Position | null = null; ; ) {
    const page = await readInOrder({ db, range: { states: ['rejected'] }, after, limit: STEP })
    const ids = page.map(({ id }) => id)
    const rows =
      ids.length === 0 ? [] : await db.selectFrom('deliveries').select(['id', 'body']).where('id', 'in', ids).execute()
    const hits = rows.filter(({ body }) => mentions(body, address)).map(({ id }) => id)
    if (hits.length > 0) yield hits
    if (page.length < STEP) return
    after = page.at(-1) ?? after
  }
}

/** Whether a JSON text contains the address, and not only as a part of another address. */
export function mentions(body: Uint8Array, address: string): boolean {
  const text = Buffer.from(body)
    .toString()
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\[bfnrt]/g, ' ') // the letter would seem to be a part of the address
    .toLowerCase()
  for (let at = text.indexOf(address); at >= 0; at = text.indexOf(address, at + 1)) {
    const continues = /^\.?[\p{L}\p{N}_-]/u.test(text.slice(at + address.length))
    if (!continues && !/[\p{L}\p{N}.+_-]$/u.test(text.slice(0, at))) return true
  }
  return false
}

/**
 * The filter of a bulk replay can name the person, and so can one that only a newer version can read. A running one goes
 * on if it still finds deliveries of others: a part of an address, or a course, names more than one person.
 * @param of.texts what the shop sent of each delivery
 */
async function forgetBulkReplays(
  db: Db,
  of: { address: string; usernames: ReadonlySet<string>; texts: ReadonlySet<string> },
): Promise<void> {
  const { address, usernames, texts } = of
  const person = [...texts, fold(address)]
  const finds = (find: string): boolean => {
    const words = wordsOf(find)
    return person.some((text) => words.every((word) => text.includes(word)))
  }
  const names = ({ email, username, find }: DeliveryFilter): boolean =>
    (email !== undefined && emailTerm(email) === address) ||
    (username !== undefined && usernames.has(textTerm(username))) ||
    (find !== undefined && finds(find))
  const rows = await db.selectFrom('bulk_replays').selectAll().execute()
  const kept = new Set<string>()
  for (const { id, filter, corrects, state } of readable(rows)) {
    const isOfOthers = !names(filter) || (state === 'running' && (await findsAny(db, filter)))
    if (isOfOthers && !mentions(Buffer.from(JSON.stringify([filter, corrects])), address)) kept.add(id)
  }
  const ids = rows.map(({ id }) => id).filter((id) => !kept.has(id))
  if (ids.length > 0) await db.deleteFrom('bulk_replays').where('id', 'in', ids).execute()
}

async function findsAny(db: Db, filter: DeliveryFilter): Promise<boolean> {
  const { found } = await search(db, { filter, after: null, limit: 1, withinMs: Number.POSITIVE_INFINITY })
  return found.length > 0
}

/** How many deliveries the message names. */
const NAMED = 5

/**
 * Throws AppError withdrawal.open if the buyer of one of these deliveries is still to be taken out of a course: erased now,
 * the buyer would keep it.
 * @param address as it is stored: see emailTerm
 */
async function refuseOpenWithdrawals(db: Db, address: string): Promise<void> {
  const open = [...(await readWithdrawing(db, await readErased(db, address)))].sort()
  if (open.length === 0) return
  const more = open.length > NAMED ? ` and ${open.length - NAMED} more` : ''
  const named = `${open.length === 1 ? 'delivery' : 'deliveries'} ${open.slice(0, NAMED).join(', ')}${more}`
  throw new AppError(
    'withdrawal.open',
    `Nothing was erased, because a refund or withdrawal is still in progress for ${named}, and the person would otherwise stay in the course. Repeat this when it has ended: the page of the delivery, or "deliveries show", says when it is tried next.`,
  )
}
