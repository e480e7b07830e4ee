import type { WriteContext } from '../database/write-context.ts'
import { untilFree } from './release.ts'

/**
 * Ends all withdrawals for the deliveries of an address, and waits until no call to the LMS for them is in flight. Their
 * owner notices the end between two calls.
 * @param of.address as it is stored: see emailTerm
 */
export async function stopWithdrawals(
  { database, now }: Pick<WriteContext, 'database' | 'now'>,
  { address, silentMs }: { address: string; silentMs: number },
): Promise<void> {
  const { db } = database
  const rows = await db
    .selectFrom('withdrawals')
    .innerJoin('deliveries', 'deliveries.id', 'withdrawals.delivery_id')
    .select('withdrawals.id')
    .where('deliveries.email', '=', address)
    .where((eb) => eb.or([eb('withdrawals.ended_at', 'is', null), eb('withdrawals.owner', 'is not', null)]))
    .execute()
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return
  await db
    .updateTable('withdrawals')
    .set({ ended_at: now() })
    .where('id', 'in', ids)
    .where('ended_at', 'is', null)
    .execute()
  const owners = async (): Promise<(string | null)[]> => {
    const held = await db
      .selectFrom('withdrawals')
      .select('owner')
      .where('id', 'in', ids)
      .where('owner', 'is not', null)
      .execute()
    return held.map(({ owner }) => owner)
  }
  await untilFree({ database, owners, silentMs })
}
