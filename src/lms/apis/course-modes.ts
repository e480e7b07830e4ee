import { z } from 'zod'
import { hasShape, judgeOk, lmsTime, readOk } from '../client/answer.ts'
import { succeeded } from '../client/failure.ts'
import { getRequest, type LmsCall } from '../client/transport.ts'
import { courseInPath } from './courses.ts'

const ENDPOINT = '/api/course_modes/v1/courses/{course}/'

/** The course modes without a price, in the LMS's own order of preference. A person may have paid for any other. */
export const FREE_MODES: readonly string[] = ['audit', 'honor']

/** A mode that somebody has added to a course, also as it is stored. */
export const courseMode = z.object({
  /** Its slug, such as `verified`. */
  slug: z.string(),
  name: z.string(),
  /** The least price, in `currency`, which is a code such as `usd`. */
  price: z.number(),
  currency: z.string(),
  /** When its sale ends, ms since 1970; null: never. */
  until: z.number().nullable(),
})
export type CourseMode = Readonly<z.infer<typeof courseMode>>

const modes = z.array(
  z
    .object({
      mode_slug: z.string(),
      mode_display_name: z.string(),
      min_price: z.number(),
      currency: z.string(),
      expiration_datetime: lmsTime.nullable(),
    })
    .transform(
      (mode): CourseMode => ({
        slug: mode.mode_slug,
        name: mode.mode_display_name,
        price: mode.min_price,
        currency: mode.currency,
        until: mode.expiration_datetime,
      }),
    ),
)

/**
 * Requests the modes that were added to a course, with those whose sale has ended (recorded: paid-modes.json, 'course modes
 * API: list'). Empty if nobody has added one, or for no course. Only staff may. The LMS doesn't throttle it
 * (openedx/edx-platform, common/djangoapps/course_modes/rest_api/v1/views.py @0fd03ef6).
 */
export const addedModesCall = (of: { course: string }): LmsCall<readonly CourseMode[]> => ({
  ...getRequest(ENDPOINT, { at: { course: courseInPath(of.course) } }),
  judge: (answer) => readOk(answer, modes),
})

const ON_SALE_ENDPOINT = '/api/enrollment/v1/course/{course}'

const details = z
  .object({ course_modes: z.array(z.object({ slug: z.string() })) })
  .transform(({ course_modes: modes }) => modes.map(({ slug }) => slug))
const missing = z.object({ message: z.string().startsWith('No course found') })

/**
 * Requests the slugs of the course modes that are on sale now (recorded: enrollment-v1.json, 'course enrolment details
 * (modes)'); null if the LMS has no such course (recorded: '…, no such course').
 */
export const modesOnSaleCall = (of: { course: string }): LmsCall<readonly string[] | null> => ({
  ...getRequest(ON_SALE_ENDPOINT, { at: { course: courseInPath(of.course) } }),
  judge: (answer) => (hasShape(answer, 400, missing) ? succeeded(null) : readOk(answer, details)),
})

const onlyMode = z.object({
  course_modes: z.tuple([
    z
      .object({
        slug: z.string(),
        name: z.string(),
        min_price: z.number(),
        currency: z.string(),
        expiration_datetime: z.null(),
      })
      .transform(
        ({ slug, name, min_price: price, currency }): CourseMode => ({ slug, name, price, currency, until: null }),
      ),
  ]),
})

/**
 * Requests the default mode of the LMS, by a course to which nobody has added a mode (recorded: enrollment-v1.json, 'course
 * enrolment details (modes)'). It is `audit`, unless COURSE_MODE_DEFAULTS names another one. The LMS answers each network
 * address 40 times a minute.
 */
export const defaultModeCall = (of: { course: string }): LmsCall<CourseMode> => ({
  ...getRequest(ON_SALE_ENDPOINT, { at: { course: courseInPath(of.course) } }),
  judge: (answer) => judgeOk(answer, onlyMode, ({ course_modes: [mode] }) => mode),
})
