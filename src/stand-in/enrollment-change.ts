import { defaultModeOf, enroll, isClosed, isFull, modesOf, type Registrar } from './enrolling.ts'
import type { Enrollment, Person } from './state.ts'

export type SingleOutcome =
  | { enrollment: Enrollment }
  | { refusal: 'no_course' | 'no_mode' | 'closed_or_full' }
  | { refusal: 'mode_mismatch'; current: string }

/**
 * What POST /api/enrollment/v1/enrollment does for one person and course: changes the enrollment there is, or makes one.
 * `mode` and `active` are null where the call doesn't say. Staff who change an enrollment skip the checks of dates and
 * places; making one, or asking for what is there already, is checked (recorded: sequence.json, 246 and 347).
 */
export function enrollSingly({
  registrar,
  person,
  courseId,
  mode,
  active,
  force,
  staff,
}: {
  registrar: Registrar
  person: Person
  courseId: string
  mode: string | null
  active: boolean | null
  force: boolean
  staff: boolean
}): SingleOutcome {
  const { state } = registrar
  const save = (row: { mode: string; active: boolean }): SingleOutcome => {
    return { enrollment: state.saveEnrollment({ personId: person.id, course: courseId, ...row }) }
  }
  const course = state.findCourse(courseId)
  const current = state.enrollment(person.id, courseId)
  const modeChanged = current !== undefined && mode !== null && current.mode !== mode
  const activeChanged = current !== undefined && active !== null && current.active !== active
  if (current && staff && (modeChanged || activeChanged)) {
    if (modeChanged && activeChanged && !active) return { refusal: 'mode_mismatch', current: current.mode }
    if (mode !== null && !course) return { refusal: 'no_course' }
    if (mode !== null && !modesOf(registrar, courseId).includes(mode)) return { refusal: 'no_mode' }
    // Without a mode named, a former one comes back (recorded: modes-and-inactive.json).
    return save({ mode: mode ?? current.mode, active: active ?? current.active })
  }
  if (!course) return { refusal: 'no_course' }
  const wanted = mode ?? defaultModeOf(registrar, courseId)
  if (!modesOf(registrar, courseId).includes(wanted)) return { refusal: 'no_mode' }
  if (!force && isClosed(registrar, person, courseId)) return { refusal: 'closed_or_full' }
  if (isFull(registrar, courseId)) return { refusal: 'closed_or_full' }
  if (current?.active) {
    state.countAlready()
    return { enrollment: current }
  }
  enroll(registrar, person, courseId, wanted)
  return save({ mode: wanted, active: active ?? true })
}
