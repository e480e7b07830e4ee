import { z } from 'zod'
import { type Answer, readOk } from '../client/answer.ts'
import { type Endpoint, type Judged, succeeded } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'
import { canBeCourse, courseKey, judgeCourseAs } from './courses.ts'

const LIST: Endpoint = '/api/courses/v1/courses/'

/** A course as the LMS's catalogue describes it. Times are ms since 1970. */
export interface CatalogueCourse {
  /** The true key, as the LMS spells it. */
  readonly key: string
  /** At most 255 characters: the LMS has no limit. */
  readonly name: string
  readonly organization: string
  /** null if it isn't set. */
  readonly start: number | null
  readonly end: number | null
  /** The period in which learners can enroll; null: no beginning, no end. */
  readonly enrollmentStart: number | null
  readonly enrollmentEnd: number | null
  readonly invitationOnly: boolean
}

/** `hidden`: learners don't find it, and so can't enroll by themselves. The service enrolls in such a course too. */
export type ListedCourse = CatalogueCourse & { readonly hidden: boolean }

const date = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .nullable()

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
const listed = row.extend({ hidden: z.boolean().default(false) })
const page = z.object({ results: z.array(listed), pagination: z.object({ count: z.int().nonnegative() }) })
const detail = row.extend({ course_id: courseKey }).transform(courseOf)

/** Requests a page of the courses that the service user sees, by key (recorded: courses.json, 'course list'). */
export function courseListRequest(of: { username: string; pageSize: number; page?: number }): LmsRequest {
  const { username, pageSize, page = 1 } = of
  const query = new URLSearchParams({ username, page_size: String(pageSize) })
  if (page > 1) query.set('page', String(page))
  return { method: 'GET', endpoint: LIST, path: `${LIST}?${query}`, body: null }
}

/**
 * The courses on a page of the list. `count`: how many courses the LMS has; `rows`: how many of them are on this page,
 * with those that no webhook can name.
 */
export function judgeCataloguePage(
  answer: Answer,
): Judged<{ readonly count: number; readonly rows: number; readonly courses: readonly ListedCourse[] }> {
  const read = readOk(answer, LIST, page)
  if (!read.ok) return read
  const { results, pagination } = read.value
  const courses = results
    .filter((one) => canBeCourse(one.course_id))
    .map((one) => ({ ...courseOf(one), hidden: one.hidden }))
  return succeeded({ count: pagination.count, rows: results.length, courses })
}

/** One course, which has the same fields; null if there is none (recorded: courses.json, 'a course', 'no such course'). */
export const judgeCatalogueCourse = (answer: Answer): Judged<CatalogueCourse | null> => judgeCourseAs(answer, detail)

/** A `start_type` of `empty` is a start that nobody has set (recorded: sequence.json, 68). */
function courseOf(of: z.infer<typeof row>): CatalogueCourse {
  return {
    key: of.course_id,
    name: cut(unescaped(of.name)),
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

const NAME_MAX = 255
const cut = (name: string): string => (name.length > NAME_MAX ? [...name].slice(0, NAME_MAX).join('') : name)
