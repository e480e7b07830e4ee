import { courseIdentity } from '../../sale/course-key.ts'
import type { Catalogue, Contents, Course, MissingCourse } from './catalogue.ts'
import { indexed } from './catalogue.ts'

/**
 * What the shop is told about a course that was sold.
 * - `renamed`: it has another name.
 * - `closed`, `opened`: learners can't enroll themselves any more, or can again. A course that was gone and is back is one
 *   of the two.
 * - `gone`: the LMS doesn't have it any more.
 */
export type Change = 'renamed' | 'closed' | 'opened' | 'gone'

export type ChangedCourse = { readonly changes: readonly Change[] } & (
  | { readonly course: Course }
  | { readonly missing: MissingCourse }
)

/**
 * The changes of the courses that were sold, from one catalogue to the next. None if there was no catalogue before: what
 * the LMS had then isn't known.
 * @param of.sold the keys, as the shop sent them
 */
export function changesOf(of: {
  readonly before: Catalogue
  readonly after: Contents
  readonly sold: readonly string[]
}): readonly ChangedCourse[] {
  const { before, sold } = of
  if (before.checkedAt === null) return []
  const after = indexed(of.after)
  const keys = new Map(sold.map((key) => [courseIdentity(key), key]))
  return [...keys.values()].flatMap((key): readonly ChangedCourse[] => {
    const [was, course, missing] = [before.find(key), after.find(key), after.findMissing(key)]
    if (course === undefined) {
      return missing === undefined || was === undefined ? [] : [{ missing, changes: ['gone'] }]
    }
    const changes = was === undefined ? changesOfNew(before, course) : changesFrom(was, course)
    return changes.length === 0 ? [] : [{ course, changes }]
  })
}

/** A course that nobody knew before is no change, unless the shop was told that it is gone. */
const changesOfNew = (before: Catalogue, course: Course): Change[] =>
  before.findMissing(course.key) === undefined ? [] : [course.open ? 'opened' : 'closed']

const changesFrom = (was: Course, course: Course): Change[] => [
  ...(was.name === course.name ? [] : (['renamed'] as const)),
  ...(was.open === course.open ? [] : [course.open ? ('opened' as const) : ('closed' as const)]),
]
