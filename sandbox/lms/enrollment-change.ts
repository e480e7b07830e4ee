import { defaultModeOf, type EnrollmentContext, enroll, isClosed, isFull, modesOf } from './enrollment-rules.ts'
import type { Enrollment } from './enrollments.ts'
import type { Person } from './people.ts'

export type SingleOutcome =
  | { enrollment: Enrollment; changed: boolean }
  | { refusal: 'no_course' | 'no_mode' | 'closed_or_full' }
  | { refusal: 'mode_mismatch'; current: string }

/**
 * Changes a person's enrollment in a course, or creates it, as POST /api/enrollment/v1/enrollment does. `mode` and
 * `active` are null if the call doesn't name them. Staff who change an enrollment skip the checks of dates and places.
 * They don't skip them when they create one or change nothing (recorded: sequence.json, 246 and 347).
 */
export function changeEnrollment({
  context,
  person,
  courseId,
  mode,
  active,
  force,
  staff,
}: {
  context: EnrollmentContext
  person: Person
  courseId: string
  mode: string | null
  active: boolean | null
  force: boolean
  staff: boolean
}): SingleOutcome {
  const { state } = context
  const save = (row: { mode: string; active: boolean }): SingleOutcome => {
    return { enrollment: state.saveEnrollment({ personId: person.id, course: courseId, ...row }), changed: true }
  }
  const course = state.findCourse(courseId)
  const current = state.enrollment(person.id, courseId)
  const modeChanged = current !== undefined && mode !== null && current.mode !== mode
  const activeChanged = current !== undefined && active !== null && current.active !== active
  if (current && staff && (modeChanged || activeChanged)) {
    if (modeChanged && activeChanged && !active) return { refusal: 'mode_mismatch', current: current.mode }
    if (mode !== null && !course) return { refusal: 'no_course' }
    if (mode !== null && !modesOf(context, courseId).includes(mode)) return { refusal: 'no_mode' }
    // Without a mode in the call, the former mode stays (recorded: modes-and-inactive.json).
    return save({ mode: mode ?? current.mode, active: active ?? current.active })
  }
  if (!course) return { refusal: 'no_course' }
  const wanted = mode ?? defaultModeOf(context, courseId)
  // Recorded: paid-modes.json, 'verified whose sale has ended, named, force_enrollment'.
  if (!modesOf(context, courseId, { ended: force }).includes(wanted)) return { refusal: 'no_mode' }
  if (!force && isClosed(context, person, courseId)) return { refusal: 'closed_or_full' }
  if (isFull(context, courseId)) return { refusal: 'closed_or_full' }
  if (current?.active) {
    state.countUnchanged()
    return { enrollment: current, changed: false }
  }
  enroll(context, person, courseId, wanted)
  return save({ mode: wanted, active: active ?? true })
}
