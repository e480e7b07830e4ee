import { setTimeout as delay } from 'node:timers/promises'
import type { Action } from './actions.ts'
import type { Chance } from './chance.ts'
import { type Fault, isUnenrolling, mayEnroll, names } from './faults.ts'
import { CALL_MS } from './incidents.ts'
import { HEALTHY } from './lms.ts'
import { within } from './record.ts'
import { free, occupying, refundByShop, type World } from './world.ts'

/** The time for a sale to be enrolled. */
const ENROLLED_MS = 20_000

/** The LMS carries out any call for any sale late, and the connection ends at once. */
const lateCall: Action = async (world, chance) => {
  addLate(world, {
    chance,
    fits: (call) => mayEnroll(call) || isUnenrolling(call),
    cut: delay(chance.between(0, 1000)),
  })
}

/**
 * The service gives up the enrolling call of a sale, or is killed during it. The shop refunds the sale, and then the LMS
 * carries out the call.
 */
const lateEnroll: Action = async (world, chance) => {
  const { shop } = world
  const replica = chance.pick(world.replicas)
  const kills = chance.happens(0.4) && free(world).includes(replica)
  const buyer = { email: shop.fresh(chance.pick(['known', 'known', 'new', 'idle'])), course: chance.pick(HEALTHY) }
  const cut = Promise.withResolvers<void>()
  const late = addLate(world, { chance, fits: (call) => mayEnroll(call) && names(call, buyer.email), cut: cut.promise })
  const [sale] = shop.sellApart([buyer], replica)
  const isHit = await within(CALL_MS, () => late.left === 0)
  late.left = 0
  if (kills && isHit && !replica.busy) {
    await occupying(replica, async () => {
      world.record.count('kills')
      await replica.end('SIGKILL')
      cut.resolve()
      await replica.start(chance)
    })
  }
  cut.resolve()
  if (isHit && sale !== undefined) await refundByShop(world, sale, chance)
}

/** The LMS carries out the unenrolling call of a refund late, after the buyer has bought the course again. */
const lateUnenroll: Action = async (world, chance) => {
  const { shop, replicas } = world
  const buyer = { email: shop.fresh(chance.pick(['known', 'known', 'new'])), course: chance.pick(HEALTHY) }
  const [sale] = shop.sellApart([buyer], chance.pick(replicas))
  if (sale === undefined) return
  if (!(await within(ENROLLED_MS, async () => (await shop.rows()).get(sale.name)?.isOpen === false, 100))) return
  const late = addLate(world, {
    chance,
    fits: (call) => isUnenrolling(call) && names(call, buyer.email),
    cut: delay(chance.between(0, 1000)),
  })
  const refunded = await refundByShop(world, sale, chance)
  const isHit = await within(CALL_MS, () => late.left === 0)
  late.left = 0
  if (refunded === null || !isHit) return
  if (chance.happens(0.5)) shop.repeat(sale, chance.pick(replicas))
  else shop.send(shop.create(buyer.email, [buyer.course]), chance.pick(replicas))
}

function addLate(
  { lms }: World,
  { chance, fits, cut }: { chance: Chance; fits: Fault['fits']; cut: Promise<unknown> },
): Fault {
  const fault: Fault = {
    name: 'carried out late',
    fits,
    reply: (call) => lms.late.reply(call, { chance, cut }),
    left: 1,
  }
  lms.addFault(fault)
  return fault
}

export const LATE = {
  lateCall: [lateCall, 1.5],
  lateEnroll: [lateEnroll, 3],
  lateUnenroll: [lateUnenroll, 3],
} as const satisfies { [name: string]: readonly [Action, number] }
