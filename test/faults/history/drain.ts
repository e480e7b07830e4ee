import type { State } from '../../harness.ts'
import { reading } from '../load.ts'
import type { Chance } from './chance.ts'
import { pairsIn, refundsIn } from './check.ts'
import { refundsByShop } from './check-refunds.ts'
import { FAILING } from './lms.ts'
import { buyerOf, keyOf, type Sale, within } from './record.ts'
import type { World } from './world.ts'

/** The time for the remaining work at the end, which depends on the call budget. */
const DRAIN_MS = 120_000
/** When the shop repeats unsettled sales, and when it stops waiting for the next attempt of a refunded one. */
const SEND_AGAIN_MS = 4000
const REFUNDED_MS = 15_000

/** Waits until only work for the failing course is left. Returns whether that happened in time. */
export async function drain(world: World, chance: Chance): Promise<boolean> {
  const { record, lms, shop, replicas } = world
  const began = performance.now()
  const again = new Set<Sale>()
  const done = await within(
    DRAIN_MS,
    async () => {
      const ms = performance.now() - began
      const rows = await shop.rows()
      const settled = settledPairs(world, await lms.state(), ms > REFUNDED_MS)
      const isSettled = (sale: Sale): boolean =>
        sale.courses.every((course) => course === FAILING || settled.has(keyOf(buyerOf(record, sale), course)))
      const open = record.sales.filter((sale) => rows.get(sale.name)?.isOpen && !isSettled(sale))
      for (const sale of open) {
        const isApart = shop.reserved.has(sale.email) && wasRefunded(world, sale)
        if (ms < SEND_AGAIN_MS || again.has(sale) || isApart || sale.corrects !== undefined) continue
        again.add(sale)
        shop.repeat(sale, chance.pick(replicas))
      }
      return open.length === 0
    },
    250,
  )
  await shop.allAnswered()
  return done
}

/** Returns who is enrolled in which course and, with `refunded`, also who was until the refund. */
const settledPairs = ({ record }: World, state: State, refunded: boolean): Set<string> =>
  new Set([
    ...pairsIn(state, record),
    ...(refunded ? [...refundsIn(record).keys(), ...refundsByShop(record).keys()] : []),
  ])

function wasRefunded({ record }: World, sale: Sale): boolean {
  const key = keyOf(buyerOf(record, sale), sale.courses[0] ?? '')
  return refundsIn(record).has(key) || refundsByShop(record).has(key)
}

/** Whether the LMS has carried out all that was late, every withdrawal has ended, and no event is left to send. */
export async function isAtRest({ lms }: World, url: string): Promise<boolean> {
  if (lms.late.left() > 0) return false
  return reading(url, async (db) => {
    const order = db.selectFrom('delivery_lines').select('delivery_id').where('withdrawal_state', '=', 'open')
    const event = db.selectFrom('outbox').select('id').where('failed_at', 'is', null)
    return (await order.limit(1).execute()).length === 0 && (await event.limit(1).execute()).length === 0
  })
}
