import { setTimeout as delay } from 'node:timers/promises'
import { BULK } from '../../service/serving.ts'
import { type Action, spare } from './actions.ts'
import { type Fault, heldAnswer, isEnrolling, names, REPLIES } from './faults.ts'
import { HEALTHY } from './lms.ts'
import { type Sale, within } from './record.ts'
import { isEnrolled, occupying, refund, type World } from './world.ts'

/** For a first call to come, even where the call budget is used up. */
const CALL_MS = 12_000
/** For others to give up a replica and do what it left. */
const TAKEOVER_MS = 8000

/** The answer to the call that enrolled is lost; the buyer is unenrolled before the next attempt. */
const refundAfterLost: Action = async (world, chance) => {
  const { lms, shop, replicas } = world
  const email = shop.fresh(chance.pick(['known', 'known', 'idle']))
  const course = chance.pick(HEALTHY)
  // Of the inactive the first call makes an allowance only, and the second enrolls.
  let before = email.startsWith('idle') ? 1 : 0
  lms.addFault({
    name: 'lost answer, then a refund',
    fits: (knock) => isEnrolling(knock) && names(knock, email) && before-- === 0,
    reply: REPLIES['lost answer'],
    left: 1,
  })
  shop.sellApart([{ email, course }], chance.pick(replicas))
  if (!(await within(CALL_MS, () => isEnrolled(world, email, course)))) return
  await refund(world, email, course)
  world.record.count('refunds after a lost answer')
}

/** A process dies after a call enrolled and before it knows; the buyer is unenrolled before it is up again. */
const refundAfterKill: Action = async (world, chance) => {
  const replica = spare(world, chance)
  if (replica === null) return
  const buyer = { email: world.shop.fresh('known'), course: chance.pick(HEALTHY) }
  await occupying(replica, async () => {
    const held = hold(world, [buyer.email])
    world.shop.sellApart([buyer], replica)
    const isKept = await within(CALL_MS, () => held.hit() && isEnrolled(world, buyer.email, buyer.course))
    if (isKept) {
      world.record.count('kills')
      const ended = replica.end('SIGKILL')
      await refund(world, buyer.email, buyer.course)
      world.record.count('refunds after a kill')
      await ended
      await replica.start(chance)
    }
    held.release()
  })
}

/** A process is stopped in the middle of one person's calls; others do the work, and the buyer is unenrolled. */
const refundWhilePaused: Action = async (world, chance) => {
  const replica = world.replicas.length > 1 ? spare(world, chance) : null
  if (replica === null) return
  const buyer = { email: world.shop.fresh('idle'), course: chance.pick(HEALTHY) } // whom several calls are about
  await occupying(replica, async () => {
    const held = hold(world, [buyer.email])
    const sales = world.shop.sellApart([buyer], replica)
    if (await within(CALL_MS, held.hit)) {
      world.record.count('pauses')
      replica.freeze()
      await refundSettled(world, sales, 'while paused')
      held.release()
      await delay(100) // the answer is there when it runs again
      replica.thaw()
    }
    held.release()
  })
}

/** A replica loses the database with claimed work; others do that work, and the buyers are unenrolled. */
const refundWhileCutOff: Action = async (world, chance) => {
  const replica = spare(world, chance)
  const cutOff = replica?.cutOff ?? null
  if (replica === null || cutOff === null) return
  // Of different courses, so that the first call is not about them all.
  const courses = [...new Set(Array.from({ length: 4 }, () => chance.pick(HEALTHY)))]
  const buyers = courses.map((course) => ({ email: world.shop.fresh('known'), course }))
  await occupying(replica, async () => {
    const emails = buyers.map(({ email }) => email)
    const held = hold(world, emails)
    const sales = world.shop.sellApart(buyers, replica)
    if ((await within(CALL_MS, held.hit)) && (await areStored(world, sales))) {
      world.record.count('partitions')
      cutOff(true)
      await refundSettled(world, sales, 'while cut off')
      held.release()
      await delay(chance.between(1000, 3000))
      cutOff(false)
    }
    held.release()
  })
}

/** Whether the first bulk call came that is about any of them; its answer is held until `release`. */
function hold({ lms }: World, emails: readonly string[]): { hit: () => boolean; release: () => void } {
  const until = Promise.withResolvers<void>()
  const fault: Fault = {
    name: 'held answer',
    fits: (knock) => knock.path === BULK && emails.some((email) => names(knock, email)),
    reply: (knock) => heldAnswer(knock, until.promise),
    left: 1,
  }
  lms.addFault(fault)
  return { hit: () => fault.left === 0, release: until.resolve }
}

const areStored = ({ shop }: World, sales: readonly Sale[]): Promise<boolean> =>
  within(
    2000,
    async () => {
      await shop.rows()
      return sales.every(({ storedAt }) => storedAt !== null)
    },
    100,
  )

/** Has each of these sales refunded as soon as it is settled, if it is within the time. */
async function refundSettled(world: World, sales: readonly Sale[], when: string): Promise<void> {
  const left = new Set(sales)
  const look = async (): Promise<boolean> => {
    const rows = await world.shop.rows()
    for (const sale of left) {
      if (rows.get(sale.name)?.isOpen !== false) continue
      left.delete(sale)
      for (const course of sale.courses) await refund(world, sale.email, course)
      world.record.count(`refunds ${when}`)
    }
    return left.size === 0
  }
  await within(TAKEOVER_MS, look, 100)
}

export const INCIDENTS = {
  refundAfterLost: [refundAfterLost, 4],
  refundAfterKill: [refundAfterKill, 3],
  refundWhilePaused: [refundWhilePaused, 5],
  refundWhileCutOff: [refundWhileCutOff, 5],
} as const satisfies { [name: string]: readonly [Action, number] }
