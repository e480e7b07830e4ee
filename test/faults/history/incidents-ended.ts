import type { Action } from './actions.ts'
import type { Chance } from './chance.ts'
import { rowOf } from './incidents-operator.ts'
import { HEALTHY } from './lms.ts'
import { type Sale, within } from './record.ts'
import { refundByShop, type World } from './world.ts'

/** The time for a round to find it and for the event to come: its calls wait while sales need the call budget. */
const TOLD_MS = 25_000

/** Somebody ends the buyer's access in the LMS, and restores it, while the rounds go on. Then all sorts of things happen. */
const endedAccess: Action = async (world, chance) => {
  const { record, shop, replicas } = world
  const courses = [...new Set([chance.pick(HEALTHY), chance.pick(HEALTHY)])]
  const sale = await sell(world, shop.fresh('known'), courses, chance)
  if (sale === null) return
  const [course = ''] = courses
  const access = new Map<string, 'ended' | 'restored'>()
  record.access.set(sale, access)
  for (let again = chance.between(1, 2); again > 0; again--) {
    for (const one of chance.happens(0.3) ? courses : [course]) {
      record.count('accesses ended')
      record.note(`somebody ends the access to ${one} in the LMS`, sale.email)
      await world.lms.unenroll(sale.email, one)
      access.set(one, 'ended')
    }
    if (chance.happens(0.7)) await told(world, sale, 'delivery.access_ended')
    const next = chance.weighted(NEXT)
    if (next !== 'restored') access.clear()
    switch (next) {
      case 'nothing':
        return
      case 'refunded':
        return void (await refundByShop(world, sale, chance))
      case 'repeated':
        return shop.repeat(sale, chance.pick(replicas))
      case 'sold again':
        return shop.send(shop.create(sale.email, [course]), chance.pick(replicas))
      case 'restored':
        for (const one of access.keys()) {
          record.count('accesses restored')
          record.note(`somebody restores the access to ${one} in the LMS`, sale.email)
          await world.lms.enroll(sale.email, one)
          access.set(one, 'restored')
        }
        if (chance.happens(0.7)) await told(world, sale, 'delivery.access_restored')
    }
  }
}

const NEXT = [
  ['restored', 5],
  ['refunded', 2],
  ['repeated', 1],
  ['sold again', 1],
  ['nothing', 1],
] as const

/** Waits for an event that comes from now on. */
async function told({ record, events, shop }: World, { name, email }: Sale, type: string): Promise<void> {
  const from = events.length
  const id = (await shop.rows()).get(name)?.id
  const came = (): boolean => events.slice(from).some((one) => one.type === type && one.data.id === id)
  const isTold = await within(TOLD_MS, came, 100)
  record.note(isTold ? `the shop is told: ${type}` : `the shop isn't told yet: ${type}`, email)
}

/** One course is sold to the same buyer alone and in a bundle, and one of the sales is refunded; sometimes both. */
const soldTwice: Action = async (world, chance) => {
  const { record, shop, replicas } = world
  const [course, other] = [chance.pick(HEALTHY), chance.pick(HEALTHY)]
  if (course === other) return
  const email = shop.fresh(chance.pick(['known', 'new']))
  const sets = chance.happens(0.5) ? [[course], [course, other]] : [[other, course], [course]]
  const sales: Sale[] = []
  for (const courses of sets) {
    if (chance.happens(0.6)) {
      const sale = await sell(world, email, courses, chance)
      if (sale === null) return
      sales.push(sale)
    } else {
      const sale = shop.create(email, courses)
      shop.reserved.add(email)
      shop.send(sale, chance.pick(replicas))
      sales.push(sale)
      if ((await rowOf(world, sale, () => true)) === null) return
    }
  }
  record.count('courses sold twice')
  const [refunded, kept] = chance.happens(0.5) ? sales : sales.toReversed()
  if (refunded === undefined || kept === undefined) return
  record.count('refunds of one of two sales')
  await refundByShop(world, refunded, chance)
  if (chance.happens(0.3)) await refundByShop(world, kept, chance)
}

/** Sells to a person whom no other action uses, and waits until they are in the courses; null if it takes too long. */
async function sell(world: World, email: string, courses: readonly string[], chance: Chance): Promise<Sale | null> {
  const { shop, replicas } = world
  shop.reserved.add(email)
  const sale = shop.create(email, courses)
  shop.send(sale, chance.pick(replicas))
  const row = await rowOf(world, sale, ({ isOpen }) => !isOpen)
  return row === null || row.state === 'needs_attention' ? null : sale
}

export const ENDED = {
  endedAccess: [endedAccess, 6],
  soldTwice: [soldTwice, 3],
} as const satisfies { [name: string]: readonly [Action, number] }
