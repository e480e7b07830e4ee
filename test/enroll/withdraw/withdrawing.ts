import type { Kysely } from 'kysely'
import type { StandInOptions } from '../../../sandbox/stand-in.ts'
import { openDatabase } from '../../../src/database/database.ts'
import type { Tables } from '../../../src/database/schema.ts'
import type { Operations } from '../../../src/operators/changes/operations.ts'
import { createOperations } from '../../../src/operators/changes/operations.ts'
import { TIMING, type Timing } from '../../../src/queue/replicas/timing.ts'
import type { Withdrawal } from '../../../src/queue/withdrawals/withdrawal.ts'
import { createIds } from '../../../src/sale/ids.ts'
import { startProduct } from '../../harness.ts'
import { withdrawalsShown, withFactsOf } from '../../lines.ts'
import { until } from '../../service/process.ts'

/** The operations over a connection of their own, as a command has them beside a service. */
export function operationsOn(url: string) {
  const database = openDatabase({ url, serve: false })
  const context = {
    database,
    now: Date.now,
    newId: createIds({ now: Date.now }),
    random: Math.random,
    hasOutbox: false,
    publish: () => {},
  }
  const operations = createOperations({
    context,
    guard: (work) => work(),
  })
  return { context, operations, close: () => database.close() }
}

/** The whole product, and the operations over a second connection, as a command has them beside the service. */
export async function startWithOperations({
  lms = {},
  env = {},
  timing = { ...TIMING, heartbeatMs: 100, landsMs: 1000 },
  now = Date.now,
  catalogueMs,
}: {
  lms?: StandInOptions
  env?: Record<string, string>
  timing?: Timing
  now?: () => number
  catalogueMs?: number
} = {}) {
  const product = await startProduct({ lms, env, timing, now, ...(catalogueMs === undefined ? {} : { catalogueMs }) })
  const { context, operations, close } = operationsOn(`sqlite:${product.folder}/lernito.db`)
  const show = async (id: string) => {
    const shown = await operations.show(id)
    if (shown === null) throw new Error(`there is no delivery ${id}`)
    return withFactsOf(shown)
  }
  return {
    ...product,
    context,
    operations,
    show,
    stateOf: async (id: string) => (await show(id)).state,
    /** Sells, and gives the delivery's id. */
    sold: async (email: string, courseIds?: readonly string[]): Promise<string> => {
      const { headers } = await product.sell({ email, ...(courseIds === undefined ? {} : { courseIds }) })
      return String(headers['x-lernito-delivery'])
    },
    /** Orders a withdrawal from all courses, or those named, and waits for its end. */
    withdraw: async (
      id: string,
      {
        courses = null,
        paid = false,
        hadBefore = false,
      }: { courses?: string[] | null; paid?: boolean; hadBefore?: boolean } = {},
    ) => {
      const ordered = await operations.withdraw({ id, courses, paid, hadBefore, by: 'alice' })
      if (ordered.kind !== 'ordered') throw new Error(`the order was not stored: ${JSON.stringify(ordered)}`)
      return ended({ operations }, id)
    },
    kinds: async (id: string) => (await operations.timeline(id)).map(({ kind }) => kind),
    stopAll: async () => {
      await close()
      await product.stop()
    },
  }
}

/** The latest order for a delivery, after its end. */
export const ended = ({ operations }: { operations: Pick<Operations, 'show'> }, id: string): Promise<Withdrawal> =>
  until('the end of the withdrawal', async () => {
    const [latest] = await withdrawalsShown(operations, id)
    return latest !== undefined && latest.endedAt !== null ? latest : undefined
  })

/** How many people there are for whom an attempt, a withdrawal or a change is in progress. */
export async function heldPeople(db: Kysely<Tables>): Promise<number> {
  const rows = await db
    .selectFrom('holds')
    .select('name')
    .where('name', 'like', '%@%')
    .where('replica', '!=', '')
    .execute()
  return rows.length
}
