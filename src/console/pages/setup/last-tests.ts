import type { Operations } from '../../../operators/changes/operations.ts'
import type { Shown } from '../../../operators/find/listing.ts'
import type { DeliveryEvent } from '../../../sale/types.ts'

/** How many of the latest changes are read, and how many sales by operators are looked at. */
const CHANGES = 200
const SALES = 5

/** The latest test sale and test notification; null if there was none lately. */
export interface LastTests {
  readonly sale: Shown | null
  readonly notification: DeliveryEvent | null
}

/** Finds the latest tests among the latest changes by operators. */
export async function readLastTests(operations: Pick<Operations, 'audit' | 'show'>): Promise<LastTests> {
  const { items } = await operations.audit({ limit: CHANGES })
  const notification = items.find(({ kind }) => kind === 'notification_tested') ?? null
  // A correction is received from an operator too.
  for (const { deliveryId } of items.filter(({ kind }) => kind === 'received').slice(0, SALES)) {
    const shown = await operations.show(deliveryId)
    if (shown?.source === 'test') return { sale: shown, notification }
  }
  return { sale: null, notification }
}
