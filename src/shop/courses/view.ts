import { type CourseOfLms, modesAt, obstacleOf, type ReasonCode, type Selling } from './sellable.ts'

/** Why a course should not be sold. Only events tell of one that is `missing`: the list doesn't have it. */
export interface Reason {
  readonly code: ReasonCode
  readonly message: string
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

/**
 * A course as the shop sees it: see docs/reference/courses.md. Times are ISO 8601 in UTC, to the second. `modes`: those that
 * are on sale; null if they aren't known, because the course was not sold here.
 */
export function courseView(course: CourseOfLms, selling: Selling) {
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
