import { FREE_MODES } from '../lms/apis/course-modes.ts'
import type { Enrollment } from '../lms/apis/enrollment.ts'
import { courseIdentity } from '../sale/course-key.ts'
import type { CallContext } from './pair.ts'
import { done, failed, inDoubt, type PairResult, refused } from './work.ts'

/** The slug of the course mode that LERNITO_COURSE_MODE names for a course; null if the LMS chooses. */
export type ModeOf = (course: string) => string | null

/** Tells the mode for each course, by any spelling of its key, from the parsed LERNITO_COURSE_MODE; undefined if it isn't set. */
export function modesFrom(
  setting: { readonly all: string | null; readonly byCourse: ReadonlyMap<string, string> } | undefined,
): ModeOf {
  const byCourse = new Map([...(setting?.byCourse ?? [])].map(([key, mode]) => [courseIdentity(key), mode]))
  return (course) => byCourse.get(courseIdentity(course)) ?? setting?.all ?? null
}

/**
 * Whether an active enrollment in this mode is to be changed to that of the setting. Only a free mode is: a buyer who was
 * pre-enrolled has the default mode of the LMS.
 */
export function isModePending({ modeOf, course, mode }: { modeOf: ModeOf; course: string; mode: string }): boolean {
  const wanted = modeOf(course)
  return wanted !== null && wanted !== mode && FREE_MODES.includes(mode)
}

interface ModeChange extends CallContext {
  /** The true key of the course. */
  readonly course: string
  readonly username: string
  /** The slug of the course mode. */
  readonly mode: string
}

const unenrolled = (course: string): PairResult => refused({ code: 'person.unenrolled', subject: course })

/**
 * Changes an active enrollment that was just read to the course mode of the setting, if it may. Enrolls nobody who was
 * unenrolled since, because the wait for the permit can be long.
 */
export async function changeMode(change: ModeChange, row: Enrollment): Promise<PairResult> {
  const { lms, acquire, course, username, mode } = change
  const kept = resultWithoutChange(change, row)
  if (kept !== null) return kept
  const changed = await lms.changeMode(await acquire(), { username, course, mode })
  if (!changed.ok) return inDoubt(failed(changed.failure))
  return changed.value.active ? done('enrolled', { hadBefore: true, modeBefore: row.mode }) : unenrolled(course)
}

/**
 * The result if an active enrollment stays as it is; null if its mode is to be changed. A paid mode that the person has
 * stays. If the course doesn't offer the mode, the person stays enrolled, with the reason course.mode_missing. The LMS
 * names only the modes that are on sale now (recorded: lms-newer/paid-modes.json, 'modes of a course: audit, and verified
 * whose sale has ended').
 */
function resultWithoutChange(
  { course, mode }: Pick<ModeChange, 'course' | 'mode'>,
  row: Enrollment,
): PairResult | null {
  if (row.mode === mode || !FREE_MODES.includes(row.mode)) return done('enrolled', HAD)
  return row.courseModes.includes(mode) ? null : modeMissing(course, HAD)
}

/** Of an enrollment or allowance that was there before the call. */
export const HAD = { hadBefore: true } as const

/** The person is enrolled, but not in the mode of the setting. `known`: see HAD. */
export const modeMissing = (course: string, known: Partial<typeof HAD> = {}): PairResult =>
  refused({ code: 'course.mode_missing', subject: course }, 'enrolled', known)
