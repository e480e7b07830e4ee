import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { AppError } from '../../service/lib/errors.ts'

/** How many deliveries the message names. */
const NAMED = 5

/**
 * Throws AppError withdrawal.open if the buyer of one of these deliveries is still to be taken out of a course: erased now,
 * the buyer would keep it.
 * @param of.address as it is stored: see emailTerm
 */
export async function refuseOpenWithdrawals(db: Pick<Kysely<Tables>, 'selectFrom'>, address: string): Promise<void> {
  const rows = await db
    .selectFrom('withdrawals')
    .innerJoin('deliveries', 'deliveries.id', 'withdrawals.delivery_id')
    .select('deliveries.id')
    .distinct()
    .where('deliveries.email', '=', address)
    .where('withdrawals.ended_at', 'is', null)
    .orderBy('deliveries.id')
    .execute()
  if (rows.length === 0) return
  const ids = rows.map(({ id }) => id)
  const more = ids.length > NAMED ? ` and ${ids.length - NAMED} more` : ''
  const named = `${ids.length === 1 ? 'delivery' : 'deliveries'} ${ids.slice(0, NAMED).join(', ')}${more}`
  throw new AppError(
    'withdrawal.open',
    `The person is not erased, because a refund or withdrawal is still to be carried out for ${named}. Erased now, the person would stay in the course. Repeat this when it has ended; the delivery's page and deliveries show say when it is tried next.`,
  )
}
