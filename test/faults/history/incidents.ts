import { setTimeout as delay } from 'node:timers/promises'
import { BULK } from '../../service/serving.ts'
import { type Action, spare } from './actions.ts'
import { type Fault, heldAnswer, isEnrolling, names, REPLIES } from './faults.ts'
import { HEALTHY } from './lms.ts'
import { type Sale, within } from './record.ts'
import { isEnrolled, occupying, refund, type World } from './world.ts'

/** Time for a first call, even if the call budget is used up. */
export const CALL_MS = 12_000
/** Time for the other replicas to prune a replica and do its work. */
const TAKEOVER_MS = 15_000

/** The answer to the enrolling call is lost, and the buyer is unenrolled before the next attempt. */
const refundAfterLost: Action = async (world, chance) => {
  const { lms, shop, replicas } = world
  const email = shop.fresh(chance.pick(['known', 'known', 'idle']))
  const course = chance.pick(HEALTHY)
  // For an inactive account the first call only makes an allowance, and the second one enrolls.
  let before = email.startsWith('idle') ? 1 : 0
  lms.addFault({
    name: 'lost answer, then a refund',
    fits: (call) => isEnrolling(call) && names(call, email) && before-- === 0,
    reply: REPLIES['lost answer'],
    left: 1,
  })
  shop.sellApart([{ email, course }], chance.pick(replicas))
  if (!(await within(CALL_MS, () => isEnrolled(world, email, course)))) return
  await refund(world, email, course)
  world.record.count('refunds after a lost answer')
}

/** A process is killed before it gets the answer of an enrolling call, and the buyer is unenrolled before it restarts. */
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

/** A process is paused between the calls for one person; others do the work, and the buyer is unenrolled. */
const refundWhilePaused: Action = async (world, chance) => {
  const replica = world.replicas.length > 1 ? spare(world, chance) : null
  if (replica === null) return
  const buyer = { email: world.shop.fresh('idle'), course: chance.pick(HEALTHY) } // an inactive account needs several calls
  await occupying(replica, async () => {
    const held = hold(world, [buyer.email])
    const sales = world.shop.sellApart([buyer], replica)
    if (await within(CALL_MS, held.hit)) {
      world.record.count('pauses')
      replica.freeze()
      await refundSettled(world, sales, 'while paused')
      held.release()
      await delay(100) // the answer has arrived when it runs again
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
  // The courses differ, so that the first call doesn't cover all buyers.
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

const hold = (world: World, emails: readonly string[]): Held =>
  holdAnswer(world, (call) => call.path === BULK && emails.some((email) => names(call, email)))

/** `hit`: whether the call came. */
interface Held {
  readonly hit: () => boolean
  readonly release: () => void
}

/** Holds the answer to the first call that fits until `release`. */
export function holdAnswer({ lms }: World, fits: Fault['fits']): Held {
  const until = Promise.withResolvers<void>()
  const fault: Fault = {
    name: 'held answer',
    fits,
    reply: (call) => heldAnswer(call, until.promise),
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

/** Refunds each of these sales as soon as it is settled, within a time limit. */
export async function refundSettled(world: World, sales: readonly Sale[], when: string): Promise<void> {
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
