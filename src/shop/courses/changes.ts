import type { TransactionContext } from '../../database/transaction.ts'
import { insertRows } from '../../database/transaction.ts'
import { COURSE_CHANGED, newRow } from '../../queue/outbox/outbox.ts'
import type { Catalogue } from './catalogue.ts'
import { type Reason, type ReasonCode, reasonOf } from './view.ts'

/** What an event says about a course: how it is now, and what of that is new. */
export interface CourseChange {
  /** The key as the LMS spells it. */
  readonly id: string
  /** null if the service has never known it. */
  readonly name: string | null
  readonly sellable: boolean
  readonly reason: Reason | null
  /** At least one. `reason`: the code. */
  readonly changes: readonly {
    readonly field: 'name' | 'reason'
    readonly before: string | null
    readonly after: string | null
  }[]
}

type Readings = Pick<Catalogue, 'find' | 'findMissing'>

/** What of a course can change. */
interface Facts {
  readonly key: string
  readonly name: string | null
  readonly reason: ReasonCode | null
}

/** null if a catalogue knows nothing of the course: then there is nothing to compare. */
function factsIn(readings: Readings, sold: string): Facts | null {
  const course = readings.find(sold)
  if (course !== undefined) return { key: course.key, name: course.name, reason: course.obstacle }
  const missing = readings.findMissing(sold)
  return missing === undefined ? null : { ...missing, reason: 'missing' }
}

/**
 * How the courses that were sold differ between two catalogues. Whether a course could be sold is compared as it was stored
 * with each: so an enrollment period that begins or ends, a setting and a full course count once, as a change in the LMS
 * does. Pure.
 * @param of.sold the keys as the shop sent them
 */
export function changesOf(of: { before: Readings; after: Readings; sold: readonly string[] }): CourseChange[] {
  return of.sold.flatMap((sold) => {
    const [before, after] = [factsIn(of.before, sold), factsIn(of.after, sold)]
    if (before === null || after === null) return []
    const changes = (['name', 'reason'] as const).flatMap((field) =>
      before[field] === after[field] ? [] : [{ field, before: before[field], after: after[field] }],
    )
    if (changes.length === 0) return []
    const { name, reason } = after
    const id = reason === 'missing' ? before.key : after.key // of a missing course, only the LMS's spelling before is known
    return [{ id, name, sellable: reason === null, reason: reason === null ? null : reasonOf(reason), changes }]
  })
}

/** How many go in one statement. */
const STEP = 500

/**
 * Stores an event for each change, in the transaction that stores the catalogue. It takes the place of one about the same
 * course that the shop doesn't have, because that one tells of what is over: so no more than one event of a course waits,
 * however often it changes while the shop's endpoint is away.
 * @param of.seq the version of the new catalogue
 */
export async function insertChanges(
  of: Pick<TransactionContext, 'trx' | 'at' | 'newId'> & { readonly seq: number },
  changes: readonly CourseChange[],
): Promise<void> {
  const { trx, at, newId, seq } = of
  const rows = changes.map((data) => newRow({ id: newId(), about: data.id, type: COURSE_CHANGED, seq, at, data }))
  for (let from = 0; from < rows.length; from += STEP) {
    const some = rows.slice(from, from + STEP)
    const keys = some.map(({ about }) => about)
    await trx.deleteFrom('outbox').where('about', 'in', keys).execute()
    await insertRows({ trx, into: 'outbox', rows: some })
  }
}
