import { z } from 'zod'
import { canBeCourse } from '../../sale/course-key.ts'
import { lmsTime, readOk } from '../client/answer.ts'
import { getRequest, type LmsCall } from '../client/transport.ts'
import { courseKey } from './courses.ts'

const LIST = '/api/courses/v1/courses/'

const NAME_MAX = 255
const time = z.number().nullable()

/** A course as the LMS's catalogue describes it, and as it is stored. Times are ms since 1970. */
export const catalogueCourse = z.object({
  /** The true key, as the LMS spells it. */
  key: z.string(),
  /** At most NAME_MAX characters: the LMS has no limit. */
  name: z.string(),
  organization: z.string(),
  /** null if it isn't set. */
  start: time,
  end: time,
  /** The period in which learners can enroll; null: no beginning, no end. */
  enrollmentStart: time,
  enrollmentEnd: time,
  invitationOnly: z.boolean(),
})
export type CatalogueCourse = Readonly<z.infer<typeof catalogueCourse>>

const date = lmsTime.nullable()

const row = z.object({
  course_id: z.string(),
  name: z.string(),
  org: z.string(),
  start: date,
  start_type: z.string(),
  end: date,
  enrollment_start: date,
  enrollment_end: date,
  invitation_only: z.boolean(),
})
const listed = row
  .extend({ hidden: z.boolean().default(false) })
  .transform(({ hidden, ...course }) => ({ ...courseOf(course), hidden }))
/** `hidden`: learners don't find it, and so can't enroll by themselves. The service enrolls in such a course too. */
export type ListedCourse = Readonly<z.output<typeof listed>>
/**
 * A page of the list. `count`: how many courses the LMS has; `rows`: how many of them are on this page, with those that no
 * webhook can name.
 */
const page = z
  .object({ results: z.array(listed), pagination: z.object({ count: z.int().nonnegative() }) })
  .transform(({ results, pagination: { count } }) => {
    return { count, rows: results.length, courses: results.filter(({ key }) => canBeCourse(key)) }
  })
/** How the catalogue reads one course, which has the same fields. */
export const CATALOGUE_COURSE = row.extend({ course_id: courseKey }).transform(courseOf)

/** Requests a page of the courses that the service user sees, by key (recorded: courses.json, 'course list'). */
export function courseListCall(of: {
  username: string
  pageSize: number
  page?: number
}): LmsCall<z.output<typeof page>> {
  const { username, pageSize, page: number = 1 } = of
  const query = { username, page_size: String(pageSize), ...(number > 1 ? { page: String(number) } : {}) }
  return { ...getRequest(LIST, { query }), judge: (answer) => readOk(answer, page) }
}

/** A `start_type` of `empty` is a start that nobody has set (recorded: sequence.json, 68). */
function courseOf(of: z.infer<typeof row>): CatalogueCourse {
  return {
    key: of.course_id,
    name: [...unescaped(of.name)].slice(0, NAME_MAX).join(''),
    organization: of.org,
    start: of.start_type === 'empty' ? null : of.start,
    end: of.end,
    enrollmentStart: of.enrollment_start,
    enrollmentEnd: of.enrollment_end,
    invitationOnly: of.invitation_only,
  }
}

/**
 * The name is `display_name_with_default_escaped` (openedx/edx-platform, lms/djangoapps/course_api/serializers.py
 * @046feb0c), where the LMS replaces `<` and `>` and nothing else.
 */
const unescaped = (name: string): string => name.replaceAll('&lt;', '<').replaceAll('&gt;', '>')
