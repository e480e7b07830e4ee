import type { AuditedContext } from './audited-change.ts'

/**
 * Locks a delivery until the end of the transaction, so that two orders for it at once come one after the other. Call it
 * before the transaction reads anything: on MySQL, what it reads afterwards includes what the other one stored.
 */
export const lockDelivery = (context: Pick<AuditedContext, 'trx'>, id: string): Promise<void> =>
  lockDeliveries(context, [id])

/** The same for several deliveries. */
export async function lockDeliveries({ trx }: Pick<AuditedContext, 'trx'>, ids: readonly string[]): Promise<void> {
  await trx
    .updateTable('deliveries')
    .set((eb) => ({ generation: eb.ref('generation') }))
    .where('id', 'in', [...ids].sort())
    .execute()
}
