import type { CatalogueCourse, ListedCourse } from '../../lms/apis/course-catalogue.ts'
import type { CourseMode } from '../../lms/apis/course-modes.ts'
import type { Permit } from '../../lms/client/budget.ts'
import { type Failure, failed, type Judged, succeeded } from '../../lms/client/failure.ts'
import { COURSE_PAGE, type Lms } from '../../lms/lms.ts'
import { courseIdentity } from '../../sale/course-key.ts'
import type { Catalogue, Contents } from './catalogue.ts'
import type { CourseOfLms } from './sellable.ts'

/** An LMS with more than 10,000 courses has no catalogue here. */
const PAGES_MAX = 100

export interface Reading {
  readonly lms: Pick<Lms, 'coursePage' | 'catalogueCourse' | 'addedModes' | 'defaultMode'>
  /** Waits until a call gets in nobody's way; before each call that the LMS doesn't throttle. Rejects to end the reading. */
  readonly turn: () => Promise<void>
  /** The same for a call that it throttles. */
  readonly acquire: () => Promise<Permit>
  /** The keys of the courses that were sold, as the shop sent them. */
  readonly sold: readonly string[]
  readonly before: Catalogue
}

/** What the LMS tells about its courses, by key. */
export interface Read {
  readonly courses: readonly CourseOfLms[]
  readonly missing: readonly Omit<Contents['missing'][number], 'was'>[]
}

/**
 * Asks the LMS for all of its courses: a call for each 100, one for each course that was sold, for its modes or whether it
 * exists, and one for the default mode. The result is all of it or a failure: an LMS that is away, or answers with a part,
 * gives no catalogue.
 * @throws what `turn` and `acquire` reject with
 */
export async function readLms(reading: Reading): Promise<Judged<Read>> {
  const listed = await readList(reading)
  if (!listed.ok) return listed
  const courses = new Map(listed.value.map((course) => [courseIdentity(course.key), unasked(course)]))
  const { before } = reading
  if (courses.size === 0 && before.courses.length > 0) {
    return wrong('The LMS lists no courses: check that the user of LERNITO_LMS_CLIENT_ID is still staff')
  }
  const missing: Read['missing'][number][] = []
  const defaultMode = defaultModeOf(reading)
  for (const key of reading.sold) {
    const identity = courseIdentity(key)
    const course = courses.get(identity)
    const found = await (course === undefined ? lookUp(reading, key) : readModes({ ...reading, defaultMode }, course))
    if (!found.ok) return found
    const { value } = found
    if (value === 'unknown') continue
    if (value !== 'missing') courses.set(identity, value)
    else missing.push({ key, name: before.known(key)?.name ?? null, modes: null, reason: 'missing' })
  }
  return succeeded({ courses: [...courses.values()].sort(byKey), missing: missing.sort(byKey) })
}

const unasked = ({ hidden: _, ...course }: CatalogueCourse & Partial<ListedCourse>): CourseOfLms => {
  return { ...course, modes: null }
}

const byKey = (a: { readonly key: string }, b: { readonly key: string }): number => (a.key < b.key ? -1 : 1)

/** All pages. The LMS numbers them, so a course that comes or goes meanwhile would move others to a page that was read. */
async function readList({ lms, acquire }: Reading): Promise<Judged<readonly CatalogueCourse[]>> {
  const courses: CatalogueCourse[] = []
  let [count, rows] = [0, 0]
  for (let page = 1; page === 1 || (page - 1) * COURSE_PAGE < count; page++) {
    const permit = await acquire()
    const read = await lms.coursePage(permit, page).finally(() => permit.release())
    if (!read.ok) return read
    if (page > 1 && read.value.count !== count) return wrong('The courses of the LMS changed while they were listed')
    if (read.value.count > PAGES_MAX * COURSE_PAGE) {
      return wrong(`The LMS has ${read.value.count} courses: the catalogue takes at most ${PAGES_MAX * COURSE_PAGE}`)
    }
    count = read.value.count
    rows += read.value.rows
    courses.push(...read.value.courses)
  }
  const isWhole = rows === count && new Set(courses.map(({ key }) => key)).size === courses.length
  return isWhole ? succeeded(courses) : wrong('The LMS lists fewer or other courses than it counts')
}

type DefaultMode = (course: string) => Promise<Judged<CourseMode>>

/** Asks once for the default mode, by the first course to which nobody has added a mode. */
function defaultModeOf({ lms, turn }: Reading): DefaultMode {
  let asked: ReturnType<DefaultMode> | null = null
  return (course) => {
    asked ??= turn().then(() => lms.defaultMode(course))
    return asked
  }
}

/**
 * A course with its modes. If only this call failed, or that for the default mode, what was known of them stays. A failure
 * that isn't about this course is one of the whole reading.
 */
async function readModes(
  { lms, turn, before, defaultMode }: Reading & { defaultMode: DefaultMode },
  course: CourseOfLms,
): Promise<Judged<CourseOfLms>> {
  await turn()
  const added = await lms.addedModes(course.key)
  if (!added.ok && !isLocal(added.failure)) return added
  if (added.ok && added.value.length > 0) return succeeded({ ...course, modes: added.value })
  const mode = added.ok ? await defaultMode(course.key) : added
  return succeeded({ ...course, modes: mode.ok ? [mode.value] : (before.find(course.key)?.modes ?? null) })
}

/**
 * A sold course that the LMS doesn't list: the list may lack one that it has, such as a coach's copy. If only this call
 * failed, what was known of the course stays.
 */
async function lookUp(
  { lms, turn, before }: Reading,
  key: string,
): Promise<Judged<CourseOfLms | 'missing' | 'unknown'>> {
  await turn()
  const found = await lms.catalogueCourse(key)
  if (found.ok) return succeeded(found.value === null ? 'missing' : unasked(found.value))
  if (!isLocal(found.failure)) return found
  return succeeded(before.find(key) ?? (before.known(key) === null ? 'unknown' : 'missing'))
}

/** Whether a call failed for a cause that may be this course's own, so that others can succeed. */
const isLocal = ({ kind }: Failure): boolean => kind === 'server_error' || kind === 'misconfigured'

/** An answer that can't be the whole list. */
const wrong = (message: string): Judged<never> =>
  failed({ kind: 'server_error', endpoint: '/api/courses/v1/courses/', status: 200, message })
