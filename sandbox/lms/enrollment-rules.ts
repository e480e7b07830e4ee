import { createHash } from 'node:crypto'
import { TRANSITIONS } from './audit.ts'
import type { Person } from './people.ts'
import type { State } from './state.ts'
import type { World } from './world.ts'

/** What the enrollment rules need: the tables, the world (for modes and retired addresses) and the time, ms since 1970. */
export type EnrollmentContext = { state: State; world: World; now: number }

/** The modes that a course sells, or also those whose sale has ended. A course without modes has the LMS's default one. */
export function modesOf(
  { state, world, now }: EnrollmentContext,
  course: string,
  { ended = false }: { ended?: boolean } = {},
): string[] {
  const { modes = [world.default_mode], mode_ends: ends = {} } = state.findCourse(course) ?? {}
  return modes.filter((mode) => ended || ends[mode] === undefined || now < Date.parse(ends[mode]))
}

/** audit if the course has it, else honor, else the LMS's default (recorded: bulk-enroll.json, honor and professional). */
export function defaultModeOf(context: EnrollmentContext, course: string): string {
  const modes = modesOf(context, course)
  return ['audit', 'honor'].find((mode) => modes.includes(mode)) ?? context.world.default_mode
}

/** Whether the course is outside its enrollment dates for this person. Staff and people with an allowance are exempt. */
export function isClosed({ state, now }: EnrollmentContext, person: Person, courseId: string): boolean {
  const allowance = state.allowance(person.email, courseId)
  if (allowance && (allowance.personId === null || allowance.personId === person.id)) return false
  const course = state.findCourse(courseId)
  if (!course || person.staff) return false
  const { enrollment_start: start, enrollment_end: end } = course
  return (start !== undefined && now < Date.parse(start)) || (end !== undefined && now > Date.parse(end))
}

/** Whether the course has as many active enrollments as it allows. Staff aren't counted. */
export function isFull({ state }: EnrollmentContext, courseId: string): boolean {
  const course = state.findCourse(courseId)
  if (course?.max_student_enrollments_allowed === undefined) return false
  const enrolled = state.listEnrollments().filter(({ course: id, active, personId }) => {
    return active && state.findCourse(id)?.id === course.id && state.findPerson({ id: personId })?.staff !== true
  })
  return enrolled.length >= course.max_student_enrollments_allowed
}

/** Enrolls without checking whether the course is closed or full, and marks the person's unused allowance as used. */
export function enroll({ state }: EnrollmentContext, person: Person, course: string, mode: string): void {
  if (state.enrollment(person.id, course)?.active === true) state.countUnchanged()
  state.saveEnrollment({ personId: person.id, course, mode, active: true })
  const allowance = state.allowance(person.email, course)
  if (allowance && allowance.personId === null) state.saveAllowance({ ...allowance, personId: person.id })
}

/** Whether the address belonged to an account that was retired. The LMS compares hashes of the lower-cased address. */
export function isRetired({ world, state }: EnrollmentContext, email: string): boolean {
  if (state.findPerson({ email: retiredEmail(email) })) return true
  return world.retired_emails.some((retired) => retired.toLowerCase() === email.toLowerCase())
}

/**
 * The address of an account that had this one when it was retired: a hash, as get_retired_email_by_email of the LMS makes
 * it, with the formats of lms/envs/common.py.
 */
export const retiredEmail = (email: string): string =>
  `retired__user_${createHash('sha1').update(email.toLowerCase()).digest('hex')}@retired.invalid`

/**
 * Activates an account, or gives it another address. An account that is active then is enrolled in every course with an
 * allowance with auto_enroll for its address that no other account has used, even if the course is full (Open edX,
 * student/models/user.py, `user_post_save_callback`). An allowance for a course that doesn't exist makes the change fail:
 * it returns that course's key and changes nothing.
 */
export function changeAccount(
  context: EnrollmentContext,
  person: Person,
  change: { readonly active: true } | { readonly email: string },
): { missingCourse: string | null } {
  const { state } = context
  return state.atomically<{ missingCourse: string | null }>(() => {
    const changed = { ...person, ...change }
    if (changed.active === person.active && changed.email === person.email) return UNCHANGED
    const missingCourse = useAllowances(context, state.savePerson(changed))
    return { keep: missingCourse === null, value: { missingCourse } }
  }).value
}

const UNCHANGED = { keep: true, value: { missingCourse: null } }

/** Returns the first course that doesn't exist; null if all do. */
function useAllowances(context: EnrollmentContext, person: Person): string | null {
  const { state } = context
  for (const allowance of person.active ? state.listAllowances(person.email) : []) {
    const usable = allowance.personId === null || allowance.personId === person.id
    if (!allowance.autoEnroll || !usable) continue
    const enrolled = state.enrollment(person.id, allowance.course)?.active === true
    if (enrolled) {
      state.saveAllowance({ ...allowance, personId: person.id })
      continue
    }
    if (!state.findCourse(allowance.course)) return allowance.course
    if (isClosed(context, person, allowance.course)) continue
    enroll(context, person, allowance.course, defaultModeOf(context, allowance.course))
    auditActivation(context, person, allowance.course)
  }
  return null
}

/** The audit row of an activation repeats who enrolled and why from the person's newest one (recorded: paid-modes.json). */
function auditActivation({ state }: EnrollmentContext, { email, username }: Person, course: string): void {
  const last = state.lastAudit(email)
  if (!last) return
  state.saveAudit({ ...last, email, transition: TRANSITIONS.allowedToEnrolled, enrollment: { username, course } })
}
