import { z } from 'zod'
import { type CatalogueCourse, catalogueCourse } from '../../lms/apis/course-catalogue.ts'
import { type CourseMode, courseMode, FREE_MODES } from '../../lms/apis/course-modes.ts'

/** A course as the LMS tells of it. */
export const courseOfLms = catalogueCourse.extend({
  /**
   * The modes that were added to it, or else the default mode of the LMS; null if the LMS wasn't asked: it is asked for
   * courses that were sold.
   */
  modes: z.array(courseMode).readonly().nullable(),
})
export type CourseOfLms = Readonly<z.infer<typeof courseOfLms>>

/**
 * Why a course should not be sold now.
 * - `closed`: its enrollment period has not begun or is over.
 * - `invitation_only`: staff have to enroll learners.
 * - `full`: the LMS refused a sale of it, most likely because it is full, and the sale still needs attention. The LMS's
 *   lists don't tell how many places a course has.
 * - `no_mode`: it has neither the course mode of LERNITO_COURSE_MODE nor, if that names none, a free one.
 */
export const obstacles = z.enum(['closed', 'invitation_only', 'full', 'no_mode'])
export type Obstacle = z.infer<typeof obstacles>

/** Why a course should not be sold, with `missing`: the LMS doesn't have it. */
export type ReasonCode = Obstacle | 'missing'

const MESSAGES: Readonly<Record<ReasonCode, string>> = {
  closed: 'Enrollment is not open now',
  invitation_only: 'Learners can enroll only by invitation',
  full: 'The LMS refused a sale that still needs attention, most likely because the course is full',
  no_mode: 'The course has no course mode that buyers can be enrolled in',
  missing: 'The LMS does not have the course',
}

/** A reason as the shop sees it. Only events tell of a course that is `missing`: the list doesn't have it. */
export const reasonOf = (code: ReasonCode) => ({ code, message: MESSAGES[code] })

/** What whether a course can be sold depends on, beside the course. */
export interface Selling {
  /** The mode that LERNITO_COURSE_MODE names for a course, by its true key; null if it names none. */
  readonly modeOf: (key: string) => string | null
  /** Whether the LMS refused a sale of the course, by any key of it. */
  readonly isRefused: (key: string) => boolean
  /** ms since 1970 */
  readonly at: number
}

type Period = Pick<CatalogueCourse, 'enrollmentStart' | 'enrollmentEnd'>

/** Whether `at` (ms since 1970) is in the enrollment period. */
export const isInPeriod = ({ enrollmentStart, enrollmentEnd }: Period, at: number): boolean =>
  (enrollmentStart === null || enrollmentStart <= at) && (enrollmentEnd === null || enrollmentEnd > at)

/** Why the course should not be sold; null if it can be. Modes that nobody has asked for are no obstacle. */
export function obstacleOf(course: CourseOfLms, { modeOf, isRefused, at }: Selling): Obstacle | null {
  if (!isInPeriod(course, at)) return 'closed'
  if (course.invitationOnly) return 'invitation_only'
  if (course.modes !== null && !hasMode(modesAt(course.modes, at), modeOf(course.key))) return 'no_mode'
  return isRefused(course.key) ? 'full' : null
}

/** Whether there is the wanted mode, or a free one if none is wanted. */
const hasMode = (modes: readonly CourseMode[], wanted: string | null): boolean =>
  modes.some(({ slug }) => (wanted === null ? FREE_MODES.includes(slug) : slug === wanted))

/** The modes that a course offers at `at`. */
export const modesAt = (modes: readonly CourseMode[], at: number): readonly CourseMode[] =>
  modes.filter(({ until }) => until === null || until > at)
