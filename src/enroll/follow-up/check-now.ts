import type { Permit } from '../../lms/client/budget.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { WriteContext } from '../../queue/events.ts'
import type { Delivery } from '../../sale/types.ts'
import { type Asking, lookUpAll } from './look-up.ts'
import { type Reported, readReported, type Sought } from './reported.ts'
import { storeChecks } from './store-checks.ts'

/** The most deliveries in one call. */
const CHECK_MAX = 100

/** What the LMS has for a delivery now, or in one line why that is not known. */
export type CheckedNow = Pick<Delivery, 'id' | 'state' | 'lines'> | { readonly id: string; readonly failure: string }

/**
 * Looks up at once what the LMS has for at most CHECK_MAX deliveries in any settled state, stores it, and records in
 * each timeline who asked. Enrolls nobody. A pre-enrolled delivery changes its state by what was found, as in the
 * follow-up, but not before it has the course mode of the setting; no other delivery does. Resolves to one result for
 * each id, in their order.
 * @param of.by the operator, at most 254 characters
 * @throws what `acquire` rejects with, and what the database throws
 */
export async function checkNow({
  context,
  lms,
  acquire,
  ids,
  by,
  modeOf,
}: {
  context: WriteContext
  lms: Asking['lms']
  acquire: () => Promise<Permit>
  modeOf: Asking['modeOf']
  ids: readonly string[]
  by: string
}): Promise<CheckedNow[]> {
  if (ids.length > CHECK_MAX) throw new Error(`check at most ${CHECK_MAX} deliveries at once, not ${ids.length}`)
  const asking = { lms, acquire, modeOf, beforeCall: async () => {}, now: context.now }
  const found = new Map((await readReported(context.database.db, ids)).map((one) => [one.id, one]))
  const settled = [...found.values()].filter(({ state }) => state !== 'queued')
  const sought = await soughtOf(asking, settled)
  const checks = sought.ok ? await lookUpAll(asking, sought.value) : sought
  if (!checks.ok) return ids.map((id) => ({ id, failure: checks.failure.message }))
  const stored = await storeChecks(context, { checks: checks.value, by, guard: (work) => work() })
  return ids.map((id) => {
    const after = stored.get(id)
    return after ? { id, ...after } : { id, failure: failureOf(found.get(id)) }
  })
}

/**
 * For each delivery, the true keys of the courses that were bought, where the LMS has them, and of those that were
 * reported.
 */
async function soughtOf({ lms }: Pick<Asking, 'lms'>, deliveries: readonly Reported[]): Promise<Judged<Sought[]>> {
  const sought = []
  for (const reported of deliveries) {
    const courses: string[] = []
    for (const { course: key, result } of reported.lines) {
      const course = result === null ? await lms.course(key) : succeeded({ key })
      if (!course.ok) return course
      if (course.value !== null) courses.push(course.value.key)
    }
    sought.push({ reported, courses })
  }
  return succeeded(sought)
}

function failureOf(reported: Reported | undefined): string {
  if (reported === undefined) return 'there is no such delivery, or it holds no sale'
  if (reported.state === 'queued') return 'it is queued: the next attempt checks it'
  return 'it has changed in the meantime: check it again'
}
