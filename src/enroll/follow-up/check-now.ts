import type { WriteContext } from '../../database/write-context.ts'
import type { Permit } from '../../lms/client/budget.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { DeliveryEvent, DeliveryState, Standings } from '../../sale/types.ts'
import { lookUpAll, seenIn } from './look-up-all.ts'
import type { Asking } from './look-ups.ts'
import { type Reported, readReported } from './reported.ts'
import { storeChecks } from './store-checks.ts'

/** The most deliveries in one call. */
export const CHECK_MAX = 100

/** What the LMS has for a delivery now, or in one line why that is not known. */
export type CheckedNow =
  | { readonly id: string; readonly state: DeliveryState; readonly standings: Standings }
  | { readonly id: string; readonly failure: string }

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
  isModePending,
  publish = () => {},
}: {
  context: WriteContext
  lms: Asking['lms']
  acquire: () => Promise<Permit>
  isModePending: Asking['isModePending']
  ids: readonly string[]
  by: string
  /** Called with each event after it is stored. */
  publish?: (event: DeliveryEvent) => void
}): Promise<CheckedNow[]> {
  if (ids.length > CHECK_MAX) throw new Error(`check at most ${CHECK_MAX} deliveries at once, not ${ids.length}`)
  const asking = { lms, acquire, isModePending, beforeCall: async () => {}, rest: async () => {} }
  const found = new Map((await readReported(context.database.db, ids)).map((one) => [one.id, one]))
  const settled = [...found.values()].filter(({ state }) => state !== 'queued')
  const askedAt = context.now()
  const people = await peopleOf(asking, settled)
  const seen = people.ok ? await lookUpAll(asking, people.value) : people
  if (!seen.ok) return ids.map((id) => ({ id, failure: seen.failure.message }))
  const coursesOf = new Map(people.ok ? people.value.map(({ id, courses }) => [id, courses]) : [])
  const checks = settled.flatMap((reported) => {
    const person = seen.value.get(reported.email)
    const courses = coursesOf.get(reported.id) ?? []
    return person === undefined ? [] : [{ reported, seen: seenIn(courses, person), askedAt }]
  })
  const stored = await storeChecks(context, { checks, by, guard: (work) => work(), publish })
  return ids.map((id) => {
    const after = stored.get(id)
    return after ? { id, ...after } : { id, failure: failureOf(found.get(id)) }
  })
}

/**
 * For each delivery, the true keys of the courses that were bought, where the LMS has them, and of those that were
 * reported.
 */
async function peopleOf(
  { lms }: Asking,
  deliveries: readonly Reported[],
): Promise<Judged<{ id: string; email: string; courses: string[] }[]>> {
  const people = []
  for (const { id, email, courseIds, outcome } of deliveries) {
    const courses = new Set(Object.keys(outcome.courses))
    for (const key of courseIds.filter((one) => !courses.has(one))) {
      const course = await lms.course(key)
      if (!course.ok) return course
      if (course.value !== null) courses.add(course.value.key)
    }
    people.push({ id, email, courses: [...courses] })
  }
  return succeeded(people)
}

function failureOf(reported: Reported | undefined): string {
  if (reported === undefined) return 'there is no such delivery, or it holds no sale'
  if (reported.state === 'queued') return 'it is queued: the next attempt checks it'
  return 'it changed meanwhile: check it again'
}
