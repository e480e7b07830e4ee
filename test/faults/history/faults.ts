import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { BULK } from '../../service/serving.ts'
import { answerOf, type LmsCall, page, type Reply } from '../fault-proxy.ts'

/** A fault for the next `left` calls that fit. */
export interface Fault {
  readonly name: string
  readonly fits: (call: LmsCall) => boolean
  readonly reply: (call: LmsCall) => Reply
  left: number
}

const ENROLLING = [BULK, '/api/enrollment/v1/enrollment', '/api/enrollment/v1/enrollment_allowed/']
export const isEnrolling = ({ method, path }: Pick<LmsCall, 'method' | 'path'>): boolean =>
  method === 'POST' && ENROLLING.includes(path)

const isModify = (path: string): boolean => path.endsWith('/enrollments/modify')

/** Whether a call may take a person out of a course. */
export function isUnenrolling({ method, path, body }: Pick<LmsCall, 'method' | 'path' | 'body'>): boolean {
  if (path === BULK || isModify(path)) return body.includes('"unenroll"')
  return path.startsWith('/api/enrollment/v1/') && (method === 'DELETE' || body.includes('"is_active":false'))
}

/** Whether a call may put a person into a course, by any API. */
export const mayEnroll = (call: Pick<LmsCall, 'method' | 'path' | 'body'>): boolean =>
  (isEnrolling(call) || (call.method === 'POST' && isModify(call.path))) && !isUnenrolling(call)

/** Whether the LMS's throttle counts it. The check for bulk_enroll is a GET without authorization, which isn't counted. */
export const isThrottled = ({ method, path }: Pick<LmsCall, 'method' | 'path'>): boolean =>
  path === BULK ? method === 'POST' : path.startsWith('/api/enrollment/v1/')

/** Whether a call is about this person, by address or username. */
export function names(call: Pick<LmsCall, 'path' | 'body'>, email: string): boolean {
  const username = email.split('@')[0] ?? ''
  return new RegExp(`\\b${username}\\b`).test(textOf(call))
}

/** What a call names, in one text. */
export const textOf = ({ path, body }: Pick<LmsCall, 'path' | 'body'>): string => `${decodeURIComponent(path)} ${body}`

const json =
  (status: number, body: object, headers: { [name: string]: string } = {}): Reply =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

const bulkSchema = z.object({ identifiers: z.string(), courses: z.string() })
const NOTHING = { user: false, enrollment: false, allowed: false, auto_enroll: false }

/** The answer of a bulk_enroll that fails for some people, which makes the LMS roll back all of it. */
function bulkError(call: LmsCall, breaks: (index: number, all: number) => boolean): Reply {
  const { identifiers, courses } = bulkSchema.parse(JSON.parse(call.body))
  const people = identifiers.split(',')
  const results = people.map((identifier, i) =>
    breaks(i, people.length) ? { identifier, error: true } : { identifier, before: NOTHING, after: NOTHING },
  )
  const each = courses.split(',').map((course) => [course, { action: 'enroll', auto_enroll: true, results }])
  return json(200, { action: 'enroll', auto_enroll: true, email_students: false, courses: Object.fromEntries(each) })
}

export const failingCourse = (call: LmsCall): Reply => (call.path === BULK ? bulkError(call, () => true) : page(500))

const THROTTLED = { detail: 'Request was throttled. Expected available in 1 second.' }

/** The reply of each fault to a call. */
export const REPLIES = {
  'error 500': () => page(500),
  '429': () => json(429, THROTTLED, { 'retry-after': '1' }),
  'cut before': () => (response) => void response.destroy(),
  hang: () => (response) => void delay(2500).then(() => response.destroy()),
  'lost answer': (call) => (response) => void call.forward().then(() => response.destroy()),
  'slow answer': (call) => heldAnswer(call, delay(1500)),
  deadlock: (call) => (call.path === BULK ? bulkError(call, (i, all) => i === all - 1) : page(500)),
} as const satisfies { [name: string]: (call: LmsCall) => Reply }
export type FaultName = keyof typeof REPLIES

/** Carries out the call at once, but sends its answer only after `until`. */
export const heldAnswer =
  (call: LmsCall, until: Promise<unknown>): Reply =>
  (response) =>
    void call.forward().then(async (passed) => {
      await until
      answerOf(passed)(response)
    })
