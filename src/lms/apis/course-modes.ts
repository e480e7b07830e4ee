import { z } from 'zod'
import { type Answer, jsonOf, judgeOther, readAs } from '../client/answer.ts'
import { type Endpoint, type Judged, succeeded } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'
import { courseInPath } from './courses.ts'

const ENDPOINT: Endpoint = '/api/enrollment/v1/course/{course}'

const details = z.object({ course_modes: z.array(z.object({ slug: z.string() })) })
const missing = z.object({ message: z.string().startsWith('No course found') })

/** Requests the course modes of a course (recorded: enrollment-v1.json, 'course enrolment details (modes)'). */
export function courseModesRequest(of: { course: string }): LmsRequest {
  const path = `/api/enrollment/v1/course/${courseInPath(of.course)}`
  return { method: 'GET', endpoint: ENDPOINT, path, body: null }
}

/** The slugs of the modes that are on sale now; null if the LMS has no such course (recorded: '…, no such course'). */
export function judgeCourseModes(answer: Answer): Judged<readonly string[] | null> {
  if (answer.status === 400 && missing.safeParse(jsonOf(answer)).success) return succeeded(null)
  if (answer.status !== 200) return judgeOther(answer, ENDPOINT)
  const read = readAs(answer, ENDPOINT, details)
  return read.ok ? succeeded(read.value.course_modes.map(({ slug }) => slug)) : read
}
