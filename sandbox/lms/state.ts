import { createAllowances } from './allowances.ts'
import { createAudit } from './audit.ts'
import { compareFolded, fold } from './collation.ts'
import { parseCourseKey } from './course-keys.ts'
import { createEnrollments } from './enrollments.ts'
import { createPeople } from './people.ts'
import { createTransactions } from './transactions.ts'
import type { AllowanceRow, Course, EnrollmentRow, World } from './world.ts'

export type State = ReturnType<typeof createState>

/**
 * The stand-in's database: people, enrollments, allowances and courses. Rows are found as MariaDB finds them (see
 * collation.ts). `now` gives ms since 1970, `newKey` generates activation keys.
 */
export function createState({ now, newKey }: { now: () => number; newKey: () => string }) {
  const transactions = createTransactions()
  let lastId = 0
  const newId = () => ++lastId
  const people = createPeople({ transactions, newId, newKey, now })
  const enrollments = createEnrollments({ transactions, newId, emailOf: people.emailOf, now })
  const allowances = createAllowances({ transactions, newId, now })
  const audit = createAudit({ transactions, newId })
  const courses = createCourses()

  /** Everything, in the order of the recordings' state_after: by e-mail, then course. */
  function snapshot(): { enrollments: EnrollmentRow[]; allowances: AllowanceRow[] } {
    const enrolled = enrollments.list().map(({ personId, course, mode, active }) => {
      return { email: people.emailOf(personId), course, mode, active }
    })
    const allowed = allowances.all().map(({ email, course, autoEnroll, personId }) => {
      return { email, course, auto_enroll: autoEnroll, used: personId !== null }
    })
    return { enrollments: inOrder(enrolled), allowances: inOrder(allowed) }
  }

  return {
    savePerson: people.save,
    findPerson: people.find,
    enrollment: enrollments.find,
    saveEnrollment: enrollments.save,
    listEnrollments: enrollments.list,
    allowance: allowances.find,
    saveAllowance: allowances.save,
    deleteAllowance: allowances.remove,
    listAllowances: allowances.list,
    saveAudit: audit.save,
    lastAudit: audit.last,
    listAudit: audit.list,
    findCourse: courses.find,
    findCourseInModulestore: courses.findInModulestore,
    courses: courses.list,
    atomically: transactions.atomically,
    mail: transactions.mail,
    /** Call it for each person whom a call finds enrolled or allowed already. */
    countUnchanged: () => transactions.count('unchanged'),
    snapshot,
    /** Deletes everything and loads the courses of a new world. */
    clear: (world: World): void => {
      for (const table of [people, enrollments, allowances, audit]) table.clear()
      courses.replace(world.courses)
    },
  }
}

function createCourses() {
  const courses = new Map<string, Course>()
  return {
    /** The course of a key, in any spelling that the LMS accepts, or undefined. */
    find: (key: string): Course | undefined => courses.get(fold(parseCourseKey(key)?.id ?? key)),
    /**
     * The course of a key in exactly its letter case. No modulestore holds a course with an old key any more (recorded:
     * enrollments-modify.json, 'an old-style key' and 'key in another letter case').
     */
    findInModulestore: (key: string): Course | undefined => {
      const parsed = parseCourseKey(key)
      const course = parsed === null || parsed.deprecated ? undefined : courses.get(fold(parsed.id))
      return course?.id === parsed?.id ? course : undefined
    },
    list: (): Course[] => [...courses.values()].sort((a, b) => compareFolded(a.id, b.id)),
    replace: (all: readonly Course[]): void => {
      courses.clear()
      for (const course of all) courses.set(fold(course.id), course)
    },
  }
}

/** Rows by e-mail, then course, as the database orders texts. */
function inOrder<Row extends { email: string; course: string }>(rows: Row[]): Row[] {
  const keyed = rows.map((row) => ({ row, key: `${fold(row.email)}\0${fold(row.course)}` }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ row }) => row)
}
