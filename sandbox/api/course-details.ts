import { timestamp, wholeSeconds } from '../lms/answers.ts'
import { type EnrollmentContext, modesOf } from '../lms/enrollment-rules.ts'
import type { Course } from '../lms/world.ts'
import type { Call, View } from './view.ts'

const prices: Record<string, number> = { verified: 50, professional: 100, 'no-id-professional': 100 }

/**
 * A course as the Enrollment API describes it, or null if there is no such course. With `ended`, it names the modes whose
 * sale has ended too.
 */
export function courseDetails(context: EnrollmentContext, courseId: string, { ended = false } = {}) {
  const course = context.state.findCourse(courseId)
  if (!course) return null
  return {
    course_id: course.id,
    course_name: course.name,
    enrollment_start: course.enrollment_start === undefined ? null : wholeSeconds(course.enrollment_start),
    enrollment_end: course.enrollment_end === undefined ? null : wholeSeconds(course.enrollment_end),
    course_start: wholeSeconds(course.start ?? '2020-01-01'),
    course_end: course.end === undefined ? null : wholeSeconds(course.end),
    invite_only: course.invitation_only === true,
    course_modes: modesOf(context, course.id, { ended }).map((slug) => ({
      slug,
      // Only the default mode has a name; modes that were added to a course have their slug as the name (recorded).
      name: course.modes ? slug : slug.charAt(0).toUpperCase() + slug.slice(1),
      min_price: priceOf(course, slug),
      suggested_prices: '',
      currency: 'usd',
      expiration_datetime: endOf(course, slug),
      description: null,
      sku: null,
      bulk_sku: null,
    })),
    pacing_type: 'Self Paced',
  }
}

const priceOf = (course: Course, mode: string): number => course.min_price ?? prices[mode] ?? 0

function endOf({ mode_ends: ends }: Course, mode: string): string | null {
  const end = ends?.[mode]
  return end === undefined ? null : timestamp(Date.parse(end))
}

/**
 * GET /api/course_modes/v1/courses/{course_id}/, staff only. Rules: recordings, paid-modes.json. The route takes an
 * old-style key with its slashes too (openedx/edx-platform, course_modes/rest_api/urls.py, COURSE_KEY_PATTERN).
 */
export const courseModesView: View = {
  url: '/api/course_modes/v1/courses/*',
  pattern: '/api/course_modes/v1/courses/{course_id}/',
  accepts: 'jwt_or_bearer',
  access: 'staff',
  errors: 'detail',
  throttled: false,
  handlers: {
    GET: ({ params, context }: Call) => ({
      status: 200,
      body: modeRows(context, (params['*'] ?? '').replace(/\/$/, '')),
    }),
  },
}

function modeRows({ state }: EnrollmentContext, courseId: string) {
  const course = state.findCourse(courseId)
  return (course?.modes ?? []).map((slug) => ({
    course_id: course?.id,
    mode_slug: slug,
    mode_display_name: slug,
    min_price: course ? priceOf(course, slug) : 0,
    currency: 'usd',
    expiration_datetime: course ? endOf(course, slug) : null,
    expiration_datetime_is_explicit: course?.mode_ends?.[slug] !== undefined,
    description: null,
    sku: null,
    bulk_sku: null,
  }))
}
