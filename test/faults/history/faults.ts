import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { BULK } from '../../service/serving.ts'
import { answerOf, type Knock, page, type Reply } from '../door.ts'

/** What happens to the next `left` calls that fit. */
export interface Fault {
  readonly name: string
  readonly fits: (knock: Knock) => boolean
  readonly reply: (knock: Knock) => Reply
  left: number
}

const ENROLLING = [BULK, '/api/enrollment/v1/enrollment', '/api/enrollment/v1/enrollment_allowed/']
export const isEnrolling = ({ method, path }: Pick<Knock, 'method' | 'path'>): boolean =>
  method === 'POST' && ENROLLING.includes(path)

/** Whether the LMS's throttle counts it. bulk_enroll is looked for by GET without authorization, which isn't counted. */
export const isThrottled = ({ method, path }: Pick<Knock, 'method' | 'path'>): boolean =>
  path === BULK ? method === 'POST' : path.startsWith('/api/enrollment/v1/')

/** Whether a call is about this person, by address or username. */
export function names({ path, body }: Pick<Knock, 'path' | 'body'>, email: string): boolean {
  const username = email.split('@')[0] ?? ''
  return new RegExp(`\\b${username}\\b`).test(`${decodeURIComponent(path)} ${body}`)
}

const json =
  (status: number, body: object, headers: { [name: string]: string } = {}): Reply =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

const bulkSchema = z.object({ identifiers: z.string(), courses: z.string() })
const NOTHING = { user: false, enrollment: false, allowed: false, auto_enroll: false }

/** A bulk_enroll that breaks for some of its people; since one broke, nothing is kept. */
function bulkError(knock: Knock, breaks: (index: number, all: number) => boolean): Reply {
  const { identifiers, courses } = bulkSchema.parse(JSON.parse(knock.body))
  const people = identifiers.split(',')
  const results = people.map((identifier, i) =>
    breaks(i, people.length) ? { identifier, error: true } : { identifier, before: NOTHING, after: NOTHING },
  )
  const each = courses.split(',').map((course) => [course, { action: 'enroll', auto_enroll: true, results }])
  return json(200, { action: 'enroll', auto_enroll: true, email_students: false, courses: Object.fromEntries(each) })
}

export const failingCourse = (knock: Knock): Reply => (knock.path === BULK ? bulkError(knock, () => true) : page(500))

const THROTTLED = { detail: 'Request was throttled. Expected available in 1 second.' }

/** How each fault of the LMS answers a call. */
export const REPLIES = {
  'error 500': () => page(500),
  '429': () => json(429, THROTTLED, { 'retry-after': '1' }),
  'cut before': () => (response) => void response.destroy(),
  hang: () => (response) => void delay(2500).then(() => response.destroy()),
  'lost answer': (knock) => (response) => void knock.pass().then(() => response.destroy()),
  'slow answer': (knock) => heldAnswer(knock, delay(1500)),
  deadlock: (knock) => (knock.path === BULK ? bulkError(knock, (i, all) => i === all - 1) : page(500)),
} as const satisfies { [name: string]: (knock: Knock) => Reply }
export type FaultName = keyof typeof REPLIES

/** What the call does is done at once; its answer comes when `until` has come. */
export const heldAnswer =
  (knock: Knock, until: Promise<unknown>): Reply =>
  (response) =>
    void knock.pass().then(async (passed) => {
      await until
      answerOf(passed)(response)
    })
