import { setTimeout as delay } from 'node:timers/promises'
import { type Action, spare } from './actions.ts'
import type { Chance } from './chance.ts'
import { STEP_MS } from './database-clock.ts'
import { names } from './faults.ts'
import { CALL_MS, holdAnswer, refundSettled } from './incidents.ts'
import { HEALTHY } from './lms.ts'
import { within } from './record.ts'
import type { Replica } from './replicas.ts'
import { occupying, type World } from './world.ts'

/** What the service calls right before a batch call. */
const SEARCH = '/api/user/v1/accounts/search_emails'
const BEAT_MS = 400

/** A process is paused with its monotonic clock, as in a paused virtual machine. */
const standstill: Action = async (world, chance) => {
  const replica = spare(world, chance)
  if (replica === null) return
  world.record.count('standstills')
  await occupying(replica, async () => {
    replica.freeze()
    await delay(chance.between(1000, 4000))
    replica.thaw('standstill')
  })
}

/** The database's clock steps forward, and back again. */
const clockStep: Action = async (world, chance) => {
  const back = await stepAhead(world)
  await delay(chance.between(300, 3000))
  await back()
}

/** The same right before a batch call: others do that work, and the buyer is unenrolled before the call is made. */
const refundAfterStandstill: Action = (world, chance) =>
  refundBeforeBatch(world, chance, {
    when: 'after a standstill',
    begin: async (replica) => replica.freeze(),
    end: async (replica) => replica.thaw('standstill'),
  })

const refundAfterClockStep: Action = async (world, chance) => {
  if (world.clock === null) return
  let back = async (): Promise<void> => {}
  await refundBeforeBatch(world, chance, {
    when: 'after a step of the clock',
    begin: async (replica) => {
      // Too short to be pruned for, and long enough for a heartbeat of the others.
      replica.freeze()
      back = await stepAhead(world)
      await delay(BEAT_MS)
      replica.thaw()
    },
    end: () => back(),
  })
}

/** The other replicas take over the work of one that waits for a look-up, from `begin` on. */
async function refundBeforeBatch(
  world: World,
  chance: Chance,
  of: { when: string; begin: (replica: Replica) => Promise<void>; end: (replica: Replica) => Promise<void> },
): Promise<void> {
  const replica = world.replicas.length > 1 ? spare(world, chance) : null
  if (replica === null) return
  const buyer = { email: world.shop.fresh('known'), course: chance.pick(HEALTHY) }
  await occupying(replica, async () => {
    const held = holdAnswer(world, (call) => call.path === SEARCH && names(call, buyer.email))
    const sales = world.shop.sellApart([buyer], replica)
    if (await within(CALL_MS, held.hit)) {
      await of.begin(replica)
      await refundSettled(world, sales, of.when)
      held.release()
      await delay(100) // the answer has arrived when a paused process runs again
      await of.end(replica)
    }
    held.release()
  })
}

/**
 * The database's clock steps forward, unless it is ahead already: late calls are waited for by this clock. Resolves to
 * what sets it back.
 */
async function stepAhead(world: World): Promise<() => Promise<void>> {
  if (world.clock === null || world.clock.isAhead()) return async () => {}
  await step(world, STEP_MS)
  return () => step(world, -STEP_MS)
}

async function step({ clock, record }: World, ms: number): Promise<void> {
  record.count('clock steps')
  record.note(`the database's clock steps by ${ms} ms`)
  await clock?.step(ms)
}

export const PRUNED = {
  standstill: [standstill, 4],
  clockStep: [clockStep, 1],
  refundAfterStandstill: [refundAfterStandstill, 4],
  refundAfterClockStep: [refundAfterClockStep, 4],
} as const satisfies { [name: string]: readonly [Action, number] }
