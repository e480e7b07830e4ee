import { z } from 'zod'
import { type Answer, judgeOther, readAs } from '../client/answer.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'
import { courseRequest } from './courses.ts'

const ENDPOINT = '/api/courses/v1/courses/'

/** A course as the LMS lists it. */
export interface ListedCourse {
  readonly key: string
  /** Whether any learner can enroll in it now. The service enrolls in the others too. */
  readonly open: boolean
}

const date = z.string().transform((text) => Date.parse(text))
const list = z.object({
  results: z.array(
    z.object({
      course_id: z.string(),
      enrollment_start: date.nullable(),
      enrollment_end: date.nullable(),
      invitation_only: z.boolean(),
      hidden: z.boolean(),
    }),
  ),
  pagination: z.object({ count: z.int().nonnegative() }),
})

/** Requests a page of the courses that the service user sees, by key (recorded: courses.json, 'course list'). */
export function courseListRequest(of: { username: string; pageSize: number; page?: number }): LmsRequest {
  const { username, pageSize, page = 1 } = of
  const query = new URLSearchParams({ username, page_size: String(pageSize) })
  if (page > 1) query.set('page', String(page))
  return { method: 'GET', endpoint: ENDPOINT, path: `${ENDPOINT}?${query}`, body: null }
}

/** `count` is the number of all courses. `courses` are those on this page whose key a webhook can name. */
export function judgeCourseList(
  answer: Answer,
  asked: { username: string },
): Judged<{ count: number; courses: readonly ListedCourse[] }> {
  if (answer.status !== 200) return judgeOther(answer, ENDPOINT)
  const read = readAs(answer, ENDPOINT, list)
  if (!read.ok) return read
  const { results, pagination } = read.value
  const courses = results
    .map((row) => ({ key: row.course_id, open: isOpen(row, answer.receivedAt) }))
    .filter(({ key }) => courseRequest({ key, username: asked.username }) !== null)
  return succeeded({ count: pagination.count, courses })
}

type Row = z.infer<typeof list>['results'][number]

function isOpen(row: Row, now: number): boolean {
  const begun = row.enrollment_start === null || row.enrollment_start <= now
  const ended = row.enrollment_end !== null && row.enrollment_end <= now
  return begun && !ended && !row.invitation_only && !row.hidden
}

/** The most that the LMS puts on a page. */
const PAGE_SIZE = 100
/** An LMS with more courses is asked for the first 2,000. */
const PAGES_MAX = 20

/** The keys of the courses that the service user sees, at most 2,000 of them. */
export async function listCourseKeys(from: {
  serviceUser: () => Promise<Judged<{ readonly username: string }>>
  ask: <T>(request: LmsRequest, judge: (answer: Answer) => Judged<T>) => Promise<Judged<T>>
}): Promise<Judged<readonly string[]>> {
  const user = await from.serviceUser()
  if (!user.ok) return user
  const { username } = user.value
  const keys: string[] = []
  for (let page = 1; page <= PAGES_MAX; page++) {
    const request = courseListRequest({ username, pageSize: PAGE_SIZE, page })
    const listed = await from.ask(request, (answer) => judgeCourseList(answer, { username }))
    if (!listed.ok) return listed
    keys.push(...listed.value.courses.map(({ key }) => key))
    if (page * PAGE_SIZE >= listed.value.count) break
  }
  return succeeded(keys)
}
