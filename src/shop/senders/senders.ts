import type { Availability } from '../../database/availability.ts'
import type { Db, SenderRow } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../../queue/events.ts'
import { networkOf } from '../../service/lib/network.ts'
import type { RefusalCode } from '../webhook/receive.ts'
import { isSigned, RECENT_MS, type SendersView, SIGNED, viewOf } from './view.ts'

/** How many rows are counted until they are stored, so that a sender with more networks can't fill the memory. */
const COUNTED_MAX = 200
/** The address of all further networks together. */
const OTHERS = ''
/** No more rows of refusals than this are kept, and of networks that sent signed webhooks. */
const REFUSED_MAX = 1000
const SIGNED_MAX = 100
/** A time before that of every row. */
const BEFORE_ALL = -1

/** Rows by their key: see keyOf. */
type Rows = Map<string, SenderRow>

const keyOf = ({ address, result }: Pick<SenderRow, 'address' | 'result'>): string => `${address} ${result}`

/** Adds a row to those of its network and result. */
function putRow(rows: Rows, row: SenderRow): void {
  const known = rows.get(keyOf(row)) ?? { ...row, count: 0, lately: 0 }
  rows.set(keyOf(row), {
    ...known,
    first_at: Math.min(known.first_at, row.first_at),
    last_at: Math.max(known.last_at, row.last_at),
    count: known.count + row.count,
    lately: row.lately + (known.last_at > row.first_at - RECENT_MS ? known.lately : 0),
  })
}

/**
 * Counts what came to the webhook from whom, over all replicas and restarts. A flood costs no write each: it is counted in
 * memory, and written by `flush`. A process that is killed loses what came since the last flush. A connection that is lost
 * during a flush may count some twice.
 */
export function createSenders({
  context: { database, random, now },
  guard,
}: {
  context: Pick<WriteContext, 'database' | 'random' | 'now'>
  guard: Availability['guard']
}) {
  const { db } = database
  let counted: Rows = new Map()
  let last: Promise<unknown> = Promise.resolve()
  /** One after the other, because between two steps of a flush, its rows are neither here nor in the table. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const done = last.catch(() => {}).then(work)
    last = done
    return done
  }

  const add = (row: SenderRow): void => {
    // Who knows the secret is never counted with strangers.
    const hasRow = counted.has(keyOf(row)) || counted.size < COUNTED_MAX || isSigned(row)
    putRow(counted, hasRow ? row : { ...row, address: OTHERS })
  }

  const store = async (): Promise<void> => {
    const rows = [...counted.values()]
    if (rows.length === 0) return
    counted = new Map()
    const storing = guard(() => inTransaction({ database, random, body: (trx) => addRows(trx, rows) }))
    const isNew = await storing.catch((error: unknown) => {
      for (const row of rows) add(row)
      throw error
    })
    if (isNew) await guard(() => deleteSurplus(db))
  }

  return {
    /** Counts one webhook, in memory only. `ip` is '' if its sender doesn't matter; `result`: see SenderRow. */
    count: ({ ip, result }: { ip: string; result: RefusalCode | (typeof SIGNED)[number] }): void => {
      const at = now()
      add({ address: networkOf(ip), result, first_at: at, last_at: at, count: 1, lately: 1 })
    },
    /** Stores what was counted since the last time. If that fails, it stays counted. */
    flush: (): Promise<void> => inTurn(store),
    /** What is stored, and what this replica has counted since. */
    read: (): Promise<SendersView> =>
      inTurn(async () => {
        const rows: Rows = new Map()
        for (const row of [...(await guard(() => readRows(db))), ...counted.values()]) putRow(rows, row)
        return viewOf([...rows.values()])
      }),
  }
}
export type Senders = ReturnType<typeof createSenders>

/**
 * Adds counts to the stored ones. `rows` hold what came since the last time, at most one for each network and result.
 * Several replicas may do it at the same time. Resolves to whether there is a new row.
 */
async function addRows(trx: Db, rows: readonly SenderRow[]): Promise<boolean> {
  let isNew = false
  // In one order, so that two replicas don't deadlock.
  for (const row of rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    if (await raise(trx, row)) continue
    const { numInsertedOrUpdatedRows = 0n } = await trx.insertInto('senders').ignore().values(row).executeTakeFirst()
    if (numInsertedOrUpdatedRows > 0n) isNew = true
    else await raise(trx, row) // another replica has just inserted it
  }
  return isNew
}

async function raise(trx: Db, row: SenderRow): Promise<boolean> {
  const { address, result, last_at: at, count, lately } = row
  const { numUpdatedRows } = await trx
    .updateTable('senders')
    .set((eb) => ({
      count: eb('count', '+', count),
      // Before last_at: MySQL sets one after the other, and a later one sees what an earlier one has set.
      lately: eb
        .case()
        .when('last_at', '>', row.first_at - RECENT_MS)
        .then(eb('lately', '+', lately))
        .else(lately)
        .end(),
      last_at: eb.case().when('last_at', '<', at).then(at).else(eb.ref('last_at')).end(),
    }))
    .where('address', '=', address)
    .where('result', '=', result)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Deletes the rows that were raised least recently, where there are too many. Refusals of a network that also sent
 * signed webhooks are kept: strangers can't displace those of the shop.
 */
async function deleteSurplus(db: Db): Promise<void> {
  const rows = (await readRows(db)).toSorted((a, b) => b.last_at - a.last_at)
  const signed = rows.filter(isSigned)
  const oldest = signed[SIGNED_MAX]?.last_at ?? BEFORE_ALL
  const known = signed.filter(({ last_at: at }) => at > oldest).map(({ address }) => address)
  const refused = rows.filter((row) => !isSigned(row) && !known.includes(row.address))
  await db.deleteFrom('senders').where('result', 'in', SIGNED).where('last_at', '<=', oldest).execute()
  await db
    .deleteFrom('senders')
    .where('result', 'not in', SIGNED)
    .where('last_at', '<=', refused[REFUSED_MAX]?.last_at ?? BEFORE_ALL)
    .$if(known.length > 0, (query) => query.where('address', 'not in', known))
    .execute()
}

/** All rows. */
export const readRows = (db: Db): Promise<SenderRow[]> => db.selectFrom('senders').selectAll().execute()
