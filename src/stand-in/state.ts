import { compareFolded, fold } from './collation.ts'
import { parseCourseKey } from './course-keys.ts'
import type { AllowanceRow, Course, EnrollmentRow, World } from './world.ts'

export type Person = {
  readonly id: number
  readonly username: string
  readonly email: string
  readonly name: string
  readonly active: boolean
  readonly staff: boolean
  readonly superuser: boolean
  readonly password: string
  readonly joined: number
  readonly lastLogin: number | null
  /** What the link of the activation e-mail ends with. */
  readonly activationKey: string
  /** Set for people who registered on the stand-in itself. */
  readonly registration: { readonly country: string | null } | null
}
export type Enrollment = {
  readonly id: number
  readonly personId: number
  readonly course: string
  readonly mode: string
  readonly active: boolean
  readonly created: number
}
/** A CourseEnrollmentAllowed. `personId` is the account that used it up. */
export type Allowance = {
  readonly id: number
  readonly email: string
  readonly course: string
  readonly autoEnroll: boolean
  readonly personId: number | null
  readonly created: number
}
/** A person to be saved: with the id of an account that is there, or without it for a new one. */
type PersonFields = Omit<Person, 'id' | 'joined' | 'activationKey'> & {
  id?: number
  joined?: number
  activationKey?: string
}
export type State = ReturnType<typeof createState>

/** What a call did to enrollments and allowances; the measured cost is made of it. */
export type Tally = { newEnrollments: number; newAllowances: number; already: number }

/** A change of what an address has of a course. An allowance that enrolls nobody is none. */
export type Effect = {
  readonly kind: 'enrolled' | 'unenrolled' | 'allowed' | 'disallowed'
  readonly email: string
  readonly course: string
}

/**
 * The stand-in's database: people, enrollments and allowances, found as MariaDB finds them (see collation.ts).
 * `newKey` makes activation keys.
 */
export function createState({ now, newKey }: { now: () => number; newKey: () => string }) {
  const people = new Map<number, Person>()
  const byEmail = new Map<string, number>()
  const byUsername = new Map<string, number>()
  const enrollments = new Map<number, Map<string, Enrollment>>()
  const allowances = new Map<string, Map<string, Allowance>>()
  const courses = new Map<string, Course>()
  let lastId = 0
  let undo: (() => void)[] | null = null
  let tally: Tally = { newEnrollments: 0, newAllowances: 0, already: 0 }
  let effects: Effect[] = []

  function put<K, V>(table: Map<K, V>, key: K, row: V | undefined): void {
    const before = table.get(key)
    undo?.push(() => (before === undefined ? table.delete(key) : table.set(key, before)))
    if (row === undefined) table.delete(key)
    else table.set(key, row)
  }

  function within<K, I, V>(table: Map<K, Map<I, V>>, key: K): Map<I, V> {
    const found = table.get(key)
    if (found) return found
    const made = new Map<I, V>()
    table.set(key, made)
    return made
  }

  function savePerson(person: PersonFields): Person {
    const before = person.id === undefined ? undefined : people.get(person.id)
    if (before) {
      put(byEmail, fold(before.email), undefined)
      put(byUsername, fold(before.username), undefined)
    }
    const made = {
      id: person.id ?? ++lastId,
      joined: person.joined ?? now(),
      activationKey: person.activationKey ?? newKey(),
    }
    const saved = { ...person, ...made }
    put(people, saved.id, saved)
    put(byEmail, fold(saved.email), saved.id)
    put(byUsername, fold(saved.username), saved.id)
    return saved
  }

  function enrollment(personId: number, course: string): Enrollment | undefined {
    return enrollments.get(personId)?.get(fold(course))
  }

  function saveEnrollment(row: { personId: number; course: string; mode: string; active: boolean }): Enrollment {
    const before = enrollment(row.personId, row.course)
    const saved = {
      id: before?.id ?? ++lastId,
      created: before?.created ?? now(),
      ...row,
      course: before?.course ?? row.course,
    }
    if (row.active && before?.active !== true) tally.newEnrollments += 1
    if (row.active !== (before?.active ?? false)) {
      const email = people.get(row.personId)?.email ?? ''
      effects.push({ kind: row.active ? 'enrolled' : 'unenrolled', email, course: saved.course })
    }
    put(within(enrollments, row.personId), fold(row.course), saved)
    return saved
  }

  function allowance(email: string, course: string): Allowance | undefined {
    return allowances.get(fold(email))?.get(fold(course))
  }

  function saveAllowance(row: {
    email: string
    course: string
    autoEnroll: boolean
    personId: number | null
  }): Allowance {
    const before = allowance(row.email, row.course)
    const stored = before
      ? { id: before.id, created: before.created, email: before.email, course: before.course }
      : null
    const saved = { id: ++lastId, created: now(), ...row, ...stored }
    if (!before) tally.newAllowances += 1
    if (saved.autoEnroll && before?.autoEnroll !== true) effects.push({ ...saved, kind: 'allowed' })
    put(within(allowances, fold(row.email)), fold(row.course), saved)
    return saved
  }

  function deleteAllowance(email: string, course: string): void {
    const before = allowance(email, course)
    if (before?.autoEnroll) effects.push({ ...before, kind: 'disallowed' })
    put(within(allowances, fold(email)), fold(course), undefined)
  }

  type PersonKey = { email: string } | { username: string } | { id: number } | { activationKey: string }

  function findPerson(by: PersonKey): Person | undefined {
    if ('activationKey' in by)
      return [...people.values()].find(({ activationKey }) => activationKey === by.activationKey)
    const id = 'id' in by ? by.id : 'email' in by ? byEmail.get(fold(by.email)) : byUsername.get(fold(by.username))
    return id === undefined ? undefined : people.get(id)
  }

  /** All enrollments, or those of one person, oldest first. */
  function listEnrollments(personId?: number): Enrollment[] {
    const tables = personId === undefined ? [...enrollments.values()] : [enrollments.get(personId) ?? new Map()]
    return tables.flatMap((table) => [...table.values()]).sort((a, b) => a.id - b.id)
  }

  /** The allowances of one address, oldest first. */
  function listAllowances(email: string): Allowance[] {
    return [...(allowances.get(fold(email))?.values() ?? [])].sort((a, b) => a.id - b.id)
  }

  /** Runs `work` as the LMS runs a request (ATOMIC_REQUESTS): if it throws or keeps nothing, nothing is kept. `effects` are what was. */
  function atomically<T>(work: () => { keep: boolean; value: T }): { value: T; tally: Tally; effects: Effect[] } {
    undo = []
    effects = []
    tally = { newEnrollments: 0, newAllowances: 0, already: 0 }
    let keep = false
    try {
      const done = work()
      keep = done.keep
      return { value: done.value, tally, effects: keep ? effects : [] }
    } finally {
      const steps = undo.reverse()
      undo = null
      if (!keep) for (const step of steps) step()
    }
  }

  /** Everything, in the order in which the recordings' state_after has it: by e-mail, then course. */
  function snapshot(): { enrollments: EnrollmentRow[]; allowances: AllowanceRow[] } {
    const enrolled = listEnrollments().map(({ personId, course, mode, active }) => {
      return { email: people.get(personId)?.email ?? '', course, mode, active }
    })
    const allowed = [...allowances.values()].flatMap((table) => {
      return [...table.values()].map(({ email, course, autoEnroll, personId }) => {
        return { email, course, auto_enroll: autoEnroll, used: personId !== null }
      })
    })
    return { enrollments: inOrder(enrolled), allowances: inOrder(allowed) }
  }

  /** The course that a key names, however it is spelled, or undefined. */
  function findCourse(key: string): Course | undefined {
    return courses.get(fold(parseCourseKey(key)?.id ?? key))
  }

  /** Forgets everything and takes the courses of a new world. */
  function clear(world: World): void {
    for (const table of [people, byEmail, byUsername, enrollments, allowances, courses]) table.clear()
    for (const course of world.courses) courses.set(fold(course.id), course)
  }

  return {
    savePerson,
    findPerson,
    enrollment,
    saveEnrollment,
    listEnrollments,
    allowance,
    saveAllowance,
    deleteAllowance,
    listAllowances,
    atomically,
    snapshot,
    findCourse,
    clear,
    countAlready: () => {
      tally.already += 1
    },
    courses: () => [...courses.values()].sort((a, b) => compareFolded(a.id, b.id)),
  }
}

/** Rows by e-mail, then course, as the database orders texts. */
function inOrder<Row extends { email: string; course: string }>(rows: Row[]): Row[] {
  const keyed = rows.map((row) => ({ row, key: `${fold(row.email)}\0${fold(row.course)}` }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ row }) => row)
}
