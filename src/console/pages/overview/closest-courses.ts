import type { Cause } from '../../../operators/reports/causes.ts'
import type { LmsCalls } from '../../layout/lms-calls.ts'

/** A course can be created or renamed in the LMS at any time, but the overview updates every few seconds: ms. */
const KEPT_MS = 10 * 60_000
/** At most this many keys are remembered, so that hostile ones don't fill the memory. */
const KEYS_MAX = 200
/** How many keys one overview has looked up, one after the other. */
const LOOKED_UP_MAX = 5

/**
 * Returns a function that finds the existing courses which missing ones look like. It never waits for the LMS: it returns
 * what earlier calls have found, and looks up the rest in the background.
 * @param from.now ms since 1970
 */
export function createClosestCourses({ findCourse, now }: { findCourse: LmsCalls['findCourse']; now: () => number }) {
  const known = new Map<string, { readonly closest: string | null; readonly at: number }>()
  let isLooking = false

  const lookUp = async (keys: readonly string[]): Promise<void> => {
    for (const key of keys) {
      const answer = await findCourse(key).catch(() => null)
      if (known.size >= KEYS_MAX) known.clear()
      known.set(key, { closest: answer?.ok === true ? (answer.value.key ?? answer.value.closest) : null, at: now() })
    }
  }

  return (causes: readonly Cause[]): ReadonlyMap<string, string> => {
    const keys = causes.flatMap(({ code, course }) => (code === 'course.missing' && course !== null ? [course] : []))
    const isFresh = (key: string): boolean => now() - (known.get(key)?.at ?? 0) < KEPT_MS
    const unknown = keys.filter((key) => !isFresh(key)).slice(0, LOOKED_UP_MAX)
    if (unknown.length > 0 && !isLooking) {
      isLooking = true
      void lookUp(unknown).finally(() => {
        isLooking = false
      })
    }
    return new Map(
      keys.flatMap((key) => {
        const closest = known.get(key)?.closest ?? null
        return closest === null ? [] : [[key, closest]]
      }),
    )
  }
}
