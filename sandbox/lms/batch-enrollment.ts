import { type AuditRow, TRANSITIONS, type Transition } from './audit.ts'
import { defaultModeOf, type EnrollmentContext, enroll, isRetired } from './enrollment-rules.ts'
import { type Mail, mailAbout } from './mails.ts'
import type { Course } from './world.ts'

/** What a batch call does to each person. `mailAbout` is the course to mail them about, or null for no mails. */
export type BatchChange = {
  readonly action: 'enroll' | 'unenroll'
  readonly autoEnroll: boolean
  readonly mailAbout: Pick<Course, 'id' | 'name'> | null
}

/** The state of an address in a course, as the batch views read it before and after their change. */
export type EmailState = { user: boolean; enrollment: boolean; allowed: boolean; auto_enroll: boolean }
export type BeforeAndAfter = { before: EmailState; after: EmailState }

/** The result of a person for whom the views failed. The next releases say more (recordings, lms-next/next.json). */
export type Failing = {
  identifier: string
  error: true
  success?: false
  error_type?: string
  error_message?: string
}

/** @param error the fault: true, or what a next release says about it */
export const failedFor = (identifier: string, error: true | string): Failing =>
  error === true
    ? { identifier, error }
    : { identifier, error: true, success: false, error_type: 'general_error', error_message: error }

/**
 * The stored address of the one account that has this address or this user name, or the identifier itself if there is
 * none: both batch views look it up as both (Open edX, student/models/user.py, `get_user_by_username_or_email`).
 * `ambiguous` if it is one account's address and another's user name.
 */
export function emailOf(
  { state }: Pick<EnrollmentContext, 'state'>,
  identifier: string,
): { readonly email: string; readonly ambiguous: boolean } {
  const owner = state.findPerson({ email: identifier })
  const namesake = state.findPerson({ username: identifier })
  const ambiguous = owner !== undefined && namesake !== undefined && owner.id !== namesake.id
  return { email: (owner ?? namesake)?.email ?? identifier, ambiguous }
}

export function emailState({ state }: EnrollmentContext, email: string, course: string): EmailState {
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

/** Enrolls or unenrolls the person with an address, as the LMS's batch views do, and mails them. `course` is a course key. */
export function changeByEmail(of: {
  context: EnrollmentContext
  email: string
  course: string
  change: BatchChange
}): BeforeAndAfter {
  const { context, email, course, change } = of
  const before = emailState(context, email, course)
  if (change.action === 'enroll') enrollByEmail(of)
  else unenrollByEmail({ ...of, before })
  return { before, after: emailState(context, email, course) }
}

/** Enrolls an active person; gives an inactive or unknown one an allowance; does nothing for a retired one. */
function enrollByEmail({ context, email, course, change }: Parameters<typeof changeByEmail>[0]): void {
  const { state } = context
  const person = state.findPerson({ email })
  if (person?.active) {
    const current = state.enrollment(person.id, course)
    // An unenrolled person is enrolled in the default mode again (recorded: modes-and-inactive.json, 'the same by bulk').
    enroll(context, person, course, current?.active ? current.mode : defaultModeOf(context, course))
    mail(context, change, 'enrolled', email)
    return
  }
  if (isRetired(context, email)) return
  const allowance = state.allowance(email, course)
  if (allowance) state.countUnchanged()
  state.saveAllowance({ email, course, autoEnroll: change.autoEnroll, personId: allowance?.personId ?? null })
  mail(context, change, 'invited', email)
}

/** Unenrolls a person, and deletes their allowance, used or not. */
function unenrollByEmail({
  context,
  email,
  course,
  change,
  before,
}: Parameters<typeof changeByEmail>[0] & { before: EmailState }): void {
  const { state } = context
  const person = state.findPerson({ email })
  const current = person && state.enrollment(person.id, course)
  if (person && current?.active) {
    state.saveEnrollment({ personId: person.id, course, mode: current.mode, active: false })
    mail(context, change, 'unenrolled', email)
  }
  if (before.allowed) {
    state.deleteAllowance(email, course)
    mail(context, change, 'invitation_withdrawn', email)
  }
}

function mail({ state }: EnrollmentContext, { mailAbout: course }: BatchChange, kind: Mail['kind'], to: string): void {
  if (course !== null) state.mail(mailAbout(kind, to, course))
}

/**
 * What the LMS's audit says about a change, except for a person who was neither enrolled nor unenrolled by it: then null,
 * because the views differ (recorded: unenroll.json and enrollments-modify.json).
 */
export function transitionOf(action: BatchChange['action'], { before, after }: BeforeAndAfter): Transition | null {
  if (action === 'unenroll') {
    if (before.enrollment) return TRANSITIONS.enrolledToUnenrolled
    return before.allowed ? TRANSITIONS.allowedToUnenrolled : TRANSITIONS.unenrolledToUnenrolled
  }
  if (!after.enrollment) return null
  if (before.enrollment) return TRANSITIONS.enrolledToEnrolled
  return before.allowed ? TRANSITIONS.allowedToEnrolled : TRANSITIONS.unenrolledToEnrolled
}

/** Writes the audit row of a person's change. After unenrolling, the inactive enrollment is named too. */
export function audit({
  context: { state },
  email,
  course,
  action,
  ...row
}: {
  context: EnrollmentContext
  email: string
  course: string
  action: BatchChange['action']
} & Omit<AuditRow, 'email' | 'enrollment'>): void {
  const person = state.findPerson({ email })
  const enrollment = person && state.enrollment(person.id, course)
  const named = person && enrollment && (action === 'unenroll' || enrollment.active)
  state.saveAudit({
    ...row,
    email,
    enrollment: named ? { username: person.username, course: enrollment.course } : null,
  })
}
