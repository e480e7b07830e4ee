import { type CourseOfLms, modesAt, obstacleOf, type ReasonCode, type Selling } from './sellable.ts'

/** Why a course should not be sold. Only events tell of one that is `missing`: the list doesn't have it. */
export interface Reason {
  readonly code: ReasonCode
  readonly message: string
}

/** A course as the shop sees it. Times are ISO 8601 in UTC, to the second. */
export interface CourseView {
  /** The key as the LMS spells it. */
  readonly id: string
  readonly name: string
  readonly organization: string
  readonly start: string | null
  readonly end: string | null
  readonly enrollmentStart: string | null
  readonly enrollmentEnd: string | null
  readonly sellable: boolean
  /** Why it should not be sold; null if it can be. */
  readonly reason: Reason | null
  /** The modes that are on sale; null if they aren't known, because the course was not sold here. */
  readonly modes:
    | readonly {
        readonly slug: string
        readonly name: string
        readonly price: number
        readonly currency: string
        readonly until: string | null
      }[]
    | null
}

const MESSAGES = {
  closed: 'Enrollment is not open now',
  invitation_only: 'Learners can enroll only by invitation',
  full: 'The LMS refused the latest sale, most likely because the course is full',
  no_mode: 'The course has no course mode that buyers can be enrolled in',
  missing: 'The LMS does not have the course',
} as const satisfies Record<ReasonCode, string>

const iso = (ms: number | null): string | null => (ms === null ? null : `${new Date(ms).toISOString().slice(0, 19)}Z`)

/** A reason as the shop sees it. */
export const reasonOf = (code: ReasonCode): Reason => ({ code, message: MESSAGES[code] })

/** What the shop sees of a course. */
export function courseView(course: CourseOfLms, selling: Selling): CourseView {
  const obstacle = obstacleOf(course, selling)
  const { key, name, organization, modes } = course
  return {
    id: key,
    name,
    organization,
    start: iso(course.start),
    end: iso(course.end),
    enrollmentStart: iso(course.enrollmentStart),
    enrollmentEnd: iso(course.enrollmentEnd),
    sellable: obstacle === null,
    reason: obstacle === null ? null : reasonOf(obstacle),
    modes: modes === null ? null : modesAt(modes, selling.at).map((mode) => ({ ...mode, until: iso(mode.until) })),
  }
}
