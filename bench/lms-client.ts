import { z } from 'zod'
import { postRequest } from './http-client.ts'
import { APPLICATION } from './world.ts'

const BULK_ENROLL = '/api/bulk_enroll/v1/bulk_enroll'

/** The paths of the views whose calls the LMS's throttle counts. */
const THROTTLED = /bulk_enroll|\/api\/enrollment\//

const token = z.object({ access_token: z.string() })
const calls = z.object({ calls: z.array(z.object({ path: z.string(), status: z.number(), count: z.number() })) })
const state = z.object({
  enrollments: z.array(z.object({ email: z.string(), course: z.string(), active: z.boolean() })),
  allowances: z.array(z.object({ email: z.string(), course: z.string() })),
})

/** Asks the LMS for a token, and returns it as the value of the Authorization header. */
export async function authorize(lmsUrl: string): Promise<string> {
  const { client_id, client_secret } = APPLICATION
  const form = { grant_type: 'client_credentials', token_type: 'JWT', client_id, client_secret }
  const answer = await fetch(`${lmsUrl}/oauth2/access_token`, { method: 'POST', body: new URLSearchParams(form) })
  return `JWT ${token.parse(await answer.json()).access_token}`
}

/** Returns the call that enrolls these people in one course, as a whole request. */
export function enroll(from: {
  lmsUrl: string
  authorization: string
  emails: readonly string[]
  course: string
}): Buffer {
  const { lmsUrl, authorization, emails, course } = from
  const identifiers = emails.toSorted().join(',')
  const call = { identifiers, courses: course, action: 'enroll', auto_enroll: true, email_students: false }
  return postRequest({ url: lmsUrl + BULK_ENROLL, headers: { authorization }, body: JSON.stringify(call) })
}

/** Returns the number of throttled calls that the stand-in has answered, and the number that it refused with 429. */
export async function throttledCalls(lmsUrl: string): Promise<{ answered: number; refused: number }> {
  const answer = await fetch(`${lmsUrl}/sandbox/calls`)
  const counted = calls.parse(await answer.json()).calls.filter(({ path }) => THROTTLED.test(path))
  const sum = (refused: boolean): number =>
    counted.filter(({ status }) => (status === 429) === refused).reduce((total, { count }) => total + count, 0)
  return { answered: sum(false), refused: sum(true) }
}

/** Returns the number of (person, course) pairs in the stand-in: active enrollments and allowances. */
export async function pairsIn(lmsUrl: string): Promise<number> {
  const answer = await fetch(`${lmsUrl}/sandbox/state`)
  const { enrollments, allowances } = state.parse(await answer.json())
  return enrollments.filter(({ active }) => active).length + allowances.length
}

/** Makes every enrolling call take this long from now on. */
export async function delayEnrolling(lmsUrl: string, delayMs: number): Promise<void> {
  const answer = await fetch(`${lmsUrl}/sandbox/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ faults: [{ method: 'POST', path: BULK_ENROLL, delayMs }] }),
  })
  if (!answer.ok) throw new Error(`/sandbox/faults answered ${answer.status}`)
}
