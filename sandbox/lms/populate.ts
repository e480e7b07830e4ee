import { parseCourseKey } from './course-keys.ts'
import { changeAccount, type EnrollmentContext } from './enrollment-rules.ts'
import type { State } from './state.ts'
import type { AllowanceRow, EnrollmentRow, World } from './world.ts'

/** The full name for a username, as in the recorded accounts: Bob_Inactive for bob_inactive. */
function nameOf(username: string): string {
  return username.replace(/\p{L}+/gu, (word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase())
}

/** Loads a world into the state: its people, the accounts of its applications, its enrollments and allowances. */
export function populate({ state, world }: { state: State; world: World }): void {
  state.clear(world)
  const account = { password: world.password_of_people, lastLogin: null, registration: null }
  for (const { username, email, name, active, staff = false, superuser = false } of world.people) {
    state.savePerson({ ...account, username, email, name: name ?? nameOf(username), active, staff, superuser })
  }
  for (const { user, staff } of world.applications) {
    if (user === undefined || state.findPerson({ username: user })) continue
    // lernito_service has the address lernito@lms.test (recorded: oauth.json, 'client credentials, JWT').
    const email = `${user.replace(/_service$/, '')}@lms.test`
    state.savePerson({
      ...account,
      username: user,
      email,
      name: nameOf(user),
      active: true,
      staff: staff === true,
      superuser: false,
    })
  }
  seed({ state, enrollments: world.enrollments, allowances: world.allowances })
}

/**
 * Adds or replaces enrollments and allowances without applying the LMS's rules. Returns null, or a message that says what
 * is wrong; then nothing is changed.
 */
export function seed({
  state,
  enrollments,
  allowances,
}: {
  state: State
  enrollments: EnrollmentRow[]
  allowances: AllowanceRow[]
}): string | null {
  const unknown =
    enrollments.find(({ email }) => !state.findPerson({ email })) ??
    allowances.find(({ email, used }) => used && !state.findPerson({ email }))
  if (unknown) return `${unknown.email} has no account: add it first with POST /sandbox/people`
  for (const { email, course, mode, active } of enrollments) {
    const person = state.findPerson({ email })
    if (person) state.saveEnrollment({ personId: person.id, course: storedKey(course), mode, active })
  }
  for (const { email, course, auto_enroll, used } of allowances) {
    const personId = used ? (state.findPerson({ email })?.id ?? null) : null
    state.saveAllowance({ email, course: storedKey(course), autoEnroll: auto_enroll, personId })
  }
  return null
}

/**
 * Adds a person with an active or inactive account. Replaces the account with this address, or with the address in
 * `formerly`. Returns null, or a message that says what is wrong.
 */
export function addPerson({
  state,
  world,
  person,
}: {
  state: State
  world: World
  person: {
    email: string
    username: string
    name?: string | undefined
    formerly?: string | undefined
    active: boolean
    staff: boolean
  }
}): string | null {
  const { email, username, active, staff } = person
  const before = state.findPerson({ email: person.formerly ?? email })
  if (person.formerly !== undefined && !before) return `${person.formerly} has no account`
  const namesake = state.findPerson({ username })
  if (namesake && namesake.id !== before?.id) return `the username ${username} is taken by ${namesake.email}`
  state.savePerson({
    ...(before ? { id: before.id, joined: before.joined } : {}),
    username,
    email,
    name: person.name ?? nameOf(username),
    active,
    staff,
    superuser: false,
    password: world.password_of_people,
    lastLogin: null,
    registration: null,
  })
  return null
}

/**
 * Gives an account another address, as the LMS does after the person has confirmed it. Returns null, or a message that says
 * what is wrong.
 */
export function changeAddress(context: EnrollmentContext, of: { email: string; formerly: string }): string | null {
  const { state } = context
  const { email, formerly } = of
  const person = state.findPerson({ email: formerly })
  if (!person) return `${formerly} has no account`
  const other = state.findPerson({ email })
  if (other && other.id !== person.id) return `the address ${email} is taken by ${other.username}`
  const { missingCourse } = changeAccount(context, person, { email })
  if (missingCourse === null) return null
  return `the change failed: there is an allowance for ${missingCourse}, which doesn't exist`
}

function storedKey(course: string): string {
  return parseCourseKey(course)?.id ?? course
}
