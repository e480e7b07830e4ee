import type { DeliveryRow, Trx } from '../../database/schema.ts'
import { type Line, lineOf } from '../../sale/line.ts'
import { lockDeliveries } from '../change-deliveries.ts'
import { linesOf, readDeliveries, salesTo, storeLines } from '../lines.ts'

/**
 * Hands what deliveries gave over to the other sales of the same buyers and courses, before they are deleted: the last of
 * these that is refunded still takes the buyer out. See Line.gave.
 * @param ids the deliveries, locked by the transaction
 */
export async function handOverGiven(trx: Trx, ids: readonly string[]): Promise<void> {
  const giving = (await readDeliveries(trx, ids)).map((row) => ({ ...row, lines: row.lines.filter(hasGiven) }))
  const givers = giving.filter(({ lines }) => lines.length > 0)
  if (givers.length === 0) return
  const found = await salesTo(trx, {
    addresses: givers.map(({ email }) => email),
    accountIds: givers.flatMap(({ lines }) => lines.flatMap(({ account }) => account?.id ?? [])),
  })
  const others = found.filter((id) => !ids.includes(id))
  if (others.length === 0) return
  await lockDeliveries({ trx }, others)
  const changed = (await readDeliveries(trx, others)).map(({ id, email, lines: before }) => {
    const lines = before.map((line) => {
      const theirs = givers.flatMap((giver) => {
        const given = lineOf(giver.lines, line.course)
        return given !== undefined && isSameBuyer({ email, line }, { email: giver.email, line: given }) ? given : []
      })
      return theirs.reduce(takingOver, line)
    })
    return { id, before, lines }
  })
  await storeLines(trx, changed)
  const receivers = changed.filter(({ before, lines }) => lines.some((line, index) => line !== before[index]))
  if (receivers.length === 0) return
  // Such a sale is looked at when it is refunded, even if it was never attempted.
  const rows = trx.updateTable('deliveries').set({ may_have_effect: 1 })
  await rows.where('id', 'in', receivers.map(({ id }) => id).sort()).execute()
}

/**
 * Moves what a delivery gave to the one that takes its place, where both have the course.
 * @param of.from with its lines, locked by the transaction
 * @param of.to the id of the other one, which the transaction has stored or locked
 */
export async function handOverTo(
  trx: Trx,
  { from, to }: { from: { readonly id: string; readonly lines: readonly Line[] }; to: string },
): Promise<void> {
  await lockDeliveries({ trx }, [to])
  const [{ lines: before = [] } = {}] = await linesOf(trx, [to])
  const lines = before.map((line) => takingOver(line, lineOf(from.lines.filter(hasGiven), line.course) ?? line))
  const moved = before.filter((line, index) => line !== lines[index])
  if (moved.length === 0) return
  const left = from.lines.map((line) =>
    lineOf(moved, line.course) === undefined ? line : { ...line, ...NOTHING_GIVEN },
  )
  await storeLines(trx, [
    { id: from.id, before: from.lines, lines: left },
    { id: to, before, lines },
  ])
  await trx.updateTable('deliveries').set({ may_have_effect: 1 }).where('id', '=', to).execute()
}

/**
 * Stores that nothing is left of what other sales gave the buyer of a delivery in these courses, because it was taken back.
 * @param of.lines those of the delivery, as they were before
 */
export async function forgetGiven(
  trx: Trx,
  of: { delivery: Pick<DeliveryRow, 'id' | 'email'>; lines: readonly Line[] },
): Promise<void> {
  const { delivery, lines: taken } = of
  if (taken.length === 0) return
  const accountIds = taken.flatMap(({ account }) => account?.id ?? [])
  const found = await salesTo(trx, { addresses: [delivery.email], accountIds })
  const ids = found.filter((id) => id !== delivery.id)
  if (ids.length === 0) return
  await lockDeliveries({ trx }, ids)
  const changed = (await readDeliveries(trx, ids)).map(({ id, email, lines: before }) => {
    const isTheirs = ({ course, account }: Line): boolean => {
      const mine = lineOf(taken, course)
      if (mine === undefined) return false
      // Only the allowance of the address was taken back, if no account is known.
      return account === null ? email === delivery.email : account.id === mine.account?.id
    }
    return { id, before, lines: before.map((line) => (isTheirs(line) ? { ...line, ...NOTHING_GIVEN } : line)) }
  })
  await storeLines(trx, changed)
}

/** Of a line of which nothing is left to be taken back. */
export const NOTHING_GIVEN = { gave: null, modeBefore: null } as const

const hasGiven = ({ gave, modeBefore }: Line): boolean => gave === true || modeBefore !== null

/** A line that takes over what another one of the same buyer gave in its course. */
function takingOver(line: Line, { gave, modeBefore }: Line): Line {
  const after = { ...line, gave: line.gave || (gave ?? line.gave), modeBefore: line.modeBefore ?? modeBefore }
  return after.gave === line.gave && after.modeBefore === line.modeBefore ? line : after
}

interface Bought {
  readonly email: string | null
  readonly line: Line
}

/** Whether two lines of one course are of one buyer: of one account, or of one address unless they have two accounts. */
function isSameBuyer(one: Bought, other: Bought): boolean {
  const [first, then] = [one.line.account?.id, other.line.account?.id]
  if (first !== undefined && then !== undefined) return first === then
  return one.email !== null && one.email === other.email
}
