import { setTimeout as delay } from 'node:timers/promises'
import type { Ended } from '../../service/process.ts'
import type { Got } from '../../shop/events/receiver.ts'
import type { Chance } from './chance.ts'
import type { DatabaseClock } from './database-clock.ts'
import type { HistoryLms } from './lms.ts'
import { type Record, type Sale, statusOf } from './record.ts'
import type { Replica } from './replicas.ts'
import type { Shop } from './shop.ts'

/** Everything that takes part in a history. */
export interface World {
  readonly record: Record
  readonly lms: HistoryLms
  readonly shop: Shop
  readonly replicas: readonly Replica[]
  /** Of the database's server; null for SQLite, whose clock is that of the replica. */
  readonly clock: DatabaseClock | null
  /** What the shop got from the service until now. */
  readonly events: readonly Got[]
  /** Starts a command of this service beside the replicas, and resolves when it ends. */
  readonly command: (args: readonly string[]) => Promise<Ended>
  /** Starts `correct.ts`. */
  readonly correct: (args: readonly string[]) => Promise<Ended>
}

/** Returns the replicas that no action uses. */
export const free = ({ replicas }: World): Replica[] => replicas.filter(({ busy }) => !busy)

/** Reserves a replica for `work`. */
export async function occupying(replica: Replica, work: () => Promise<void>): Promise<void> {
  replica.busy = true
  try {
    await work()
  } finally {
    replica.busy = false
  }
}

/** Whether the service has enrolled this person in the course. */
export const isEnrolled = ({ record }: World, email: string, course: string): boolean =>
  record.kept.some((one) => one.kind === 'enrolled' && one.email === email && one.course === course)

/** Refunds as an operator does, and counts it. */
export async function refund({ record, lms }: World, email: string, course: string): Promise<void> {
  record.count('refunds')
  record.note(`an operator unenrolls from ${course}`, email)
  await lms.unenroll(email, course)
}

/** Refunds as the shop does, and asks again until the service has accepted or refused it. Resolves to its answer. */
export async function refundByShop(world: World, sale: Sale, chance: Chance): Promise<number | null> {
  const { shop, record, replicas } = world
  record.note(`the shop refunds ${sale.name}`, sale.email)
  const refund = await shop.refund(sale, chance.pick(replicas))
  for (let again = 0; statusOf(refund) === null && again < REFUND_AGAIN; again++) {
    await delay(REFUND_AGAIN_MS)
    await shop.askFor(refund, chance.pick(replicas))
  }
  record.note(`the refund of ${sale.name} is answered ${statusOf(refund)}`, sale.email)
  return statusOf(refund)
}

const REFUND_AGAIN = 40
const REFUND_AGAIN_MS = 500
