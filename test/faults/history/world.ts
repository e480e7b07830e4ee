import type { HistoryLms } from './lms.ts'
import type { Record } from './record.ts'
import type { Replica } from './replicas.ts'
import type { Shop } from './shop.ts'

/** Everything that takes part in a history. */
export interface World {
  readonly record: Record
  readonly lms: HistoryLms
  readonly shop: Shop
  readonly replicas: readonly Replica[]
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
