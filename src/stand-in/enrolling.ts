import type { Person, State } from './state.ts'
import type { World } from './world.ts'

/** What the rules of enrolling are told: the tables, the world (for courses and modes) and the time. */
export type Registrar = { state: State; world: World; now: number }

/** The modes that a course offers; a course that names none has the LMS's default mode. */
export function modesOf({ state, world }: Registrar, course: string): string[] {
  return state.findCourse(course)?.modes ?? [world.default_mode]
}

/** audit where the course has it, else honor, else the LMS's default (recorded: bulk-enroll.json, honor and professional). */
export function defaultModeOf(registrar: Registrar, course: string): string {
  const modes = modesOf(registrar, course)
  return ['audit', 'honor'].find((mode) => modes.includes(mode)) ?? registrar.world.default_mode
}

/** Whether enrollment is closed to this person: outside its dates, unless an allowance that is theirs opens it. */
export function isClosed({ state, now }: Registrar, person: Person, courseId: string): boolean {
  const allowance = state.allowance(person.email, courseId)
  if (allowance && (allowance.personId === null || allowance.personId === person.id)) return false
  const course = state.findCourse(courseId)
  if (!course || person.staff) return false
  const { enrollment_start: start, enrollment_end: end } = course
  return (start !== undefined && now < Date.parse(start)) || (end !== undefined && now > Date.parse(end))
}

/** Whether the course has as many active enrollments as it allows. Staff aren't counted. */
export function isFull({ state }: Registrar, courseId: string): boolean {
  const course = state.findCourse(courseId)
  if (course?.max_student_enrollments_allowed === undefined) return false
  const enrolled = state.listEnrollments().filter(({ course: id, active, personId }) => {
    return active && state.findCourse(id)?.id === course.id && state.findPerson({ id: personId })?.staff !== true
  })
  return enrolled.length >= course.max_student_enrollments_allowed
}

/** Enrolls without asking whether the course is open or full, and links the person's unused allowance to them. */
export function enroll({ state }: Registrar, person: Person, course: string, mode: string): void {
  if (state.enrollment(person.id, course)?.active === true) state.countAlready()
  state.saveEnrollment({ personId: person.id, course, mode, active: true })
  const allowance = state.allowance(person.email, course)
  if (allowance && allowance.personId === null) state.saveAllowance({ ...allowance, personId: person.id })
}

/** What the bulk view says of a person and a course. */
export type EmailState = { user: boolean; enrollment: boolean; allowed: boolean; auto_enroll: boolean }

/** The state of an address in a course, as the bulk view reads it before and after. */
export function emailState({ state }: Registrar, email: string, course: string): EmailState {
  const person = state.findPerson({ email })
  const allowance = state.allowance(email, course)
  // An allowance that another account used isn't this person's.
  const mine = allowance && (!person || allowance.personId === null || allowance.personId === person.id)
  return {
    user: person !== undefined,
    enrollment: person !== undefined && state.enrollment(person.id, course)?.active === true,
    allowed: mine === true,
    auto_enroll: mine === true && allowance.autoEnroll,
  }
}

/** Whether the address belonged to an account that was retired. The LMS compares hashes of the lower-cased address. */
export function isRetired({ world }: Registrar, email: string): boolean {
  return world.retired_emails.some((retired) => retired.toLowerCase() === email.toLowerCase())
}

/** Enrolls an active person; gives an inactive or unknown one an allowance; does nothing for a retired one. */
export function enrollByEmail(registrar: Registrar, email: string, course: string, autoEnroll: boolean): void {
  const { state } = registrar
  const person = state.findPerson({ email })
  if (person?.active) {
    const current = state.enrollment(person.id, course)
    // Someone unenrolled comes back in the default mode (recorded: modes-and-inactive.json, 'the same by bulk').
    enroll(registrar, person, course, current?.active ? current.mode : defaultModeOf(registrar, course))
    return
  }
  if (isRetired(registrar, email)) return
  const allowance = state.allowance(email, course)
  if (allowance) state.countAlready()
  state.saveAllowance({ email, course, autoEnroll, personId: allowance?.personId ?? null })
}

/** Unenrolls a person who is enrolled and deletes the allowance that there is. */
export function unenrollByEmail(registrar: Registrar, email: string, course: string): void {
  const { state } = registrar
  const person = state.findPerson({ email })
  const current = person && state.enrollment(person.id, course)
  const before = emailState(registrar, email, course)
  if (person && current?.active)
    state.saveEnrollment({ personId: person.id, course, mode: current.mode, active: false })
  if (before.allowed) state.deleteAllowance(email, course)
}

/**
 * Activates an account and enrolls it wherever an allowance with auto_enroll waits, full courses included.
 * An allowance for a course that doesn't exist breaks it: returns that course's key and changes nothing.
 */
export function activate(registrar: Registrar, person: Person): { missingCourse: string | null } {
  const { state } = registrar
  return state.atomically<{ missingCourse: string | null }>(() => {
    if (person.active) return { keep: true, value: { missingCourse: null } }
    const active = state.savePerson({ ...person, active: true })
    for (const allowance of state.listAllowances(person.email)) {
      const usable = allowance.personId === null || allowance.personId === person.id
      if (!allowance.autoEnroll || !usable) continue
      const enrolled = state.enrollment(person.id, allowance.course)?.active === true
      if (enrolled) {
        state.saveAllowance({ ...allowance, personId: person.id })
        continue
      }
      if (!state.findCourse(allowance.course)) return { keep: false, value: { missingCourse: allowance.course } }
      if (isClosed(registrar, active, allowance.course)) continue
      enroll(registrar, active, allowance.course, defaultModeOf(registrar, allowance.course))
    }
    return { keep: true, value: { missingCourse: null } }
  }).value
}
