import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { z } from 'zod'
import { defaultWorld } from '../../../sandbox/default-world.ts'
import { exchange } from '../../harness.ts'
import { BULK, startLms } from '../../service/serving.ts'
import { type LmsCall, type Reply, startFaultProxy } from '../fault-proxy.ts'
import { type Fault, failingCourse, isEnrolling } from './faults.ts'
import { createLateCalls } from './late-calls.ts'
import type { Record } from './record.ts'

/** Buyers of this course get a paid course mode; those who were pre-enrolled get it from the follow-up. */
export const MODE_COURSE = 'course-v1:Lernito+Mode+2026'
export const HEALTHY = Array.from({ length: 6 }, (_, i) => `course-v1:Lernito+H${i}+2026`)
/** The LMS fails for everyone in this course, until the end. */
export const FAILING = 'course-v1:Lernito+Failing+2026'
const OPERATOR = { client_id: 'operator', client_secret: 'operator-secret' }
const PEOPLE = 3000

/** People with an account: `known…`, and `idle…`, who have not activated it. */
const people = (['known', 'idle'] as const).flatMap((kind) =>
  Array.from({ length: PEOPLE }, (_, i) => ({
    username: `${kind}${i}`,
    email: `${kind}${i}@example.com`,
    active: kind === 'known',
  })),
)
const WORLD = {
  ...defaultWorld,
  applications: [...defaultWorld.applications, { ...OPERATOR, grant: 'client-credentials' as const, user: 'admin' }],
  people: [...defaultWorld.people, ...people],
  courses: [
    ...defaultWorld.courses,
    ...[...HEALTHY, FAILING].map((id) => ({ id, name: id })),
    { id: MODE_COURSE, name: 'with a paid mode', modes: ['audit', 'verified'] },
  ],
}

const tokenSchema = z.object({ access_token: z.string() })

/** Starts the stand-in LMS, which records the changes of every call, and makes a fault proxy for each replica. */
export async function startHistoryLms({ t, record }: { t: TestContext; record: Record }) {
  const faults: Fault[] = []
  const late = createLateCalls({ record })
  const lms = await startLms(t, {
    world: WORLD,
    cost: 'measured',
    onChanges: ({ user, beganAt, at, effects }) => {
      const by = user === 'admin' ? 'operator' : 'service'
      for (const { kind, email, course } of effects) {
        const came = late.cameAt({ email, course }) ?? beganAt
        record.kept.push({ kind, email, course, by, beganAt: by === 'service' ? came : beganAt, at })
      }
    },
  })

  const faultOf = (call: LmsCall): { name: string; reply: Reply } | null => {
    const fault = faults.find(({ left, fits }) => left > 0 && fits(call))
    if (fault === undefined) {
      if (!isEnrolling(call) || !call.body.includes(FAILING)) return null
      return { name: 'failing course', reply: failingCourse(call) }
    }
    fault.left--
    record.count(`fault ${fault.name}`)
    return { name: fault.name, reply: fault.reply(call) }
  }

  const token = async (): Promise<string> => {
    const form = new URLSearchParams({ ...OPERATOR, grant_type: 'client_credentials', token_type: 'jwt' })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const { text } = await exchange({ url: `${lms.url}/oauth2/access_token`, headers, body: form.toString() })
    return tokenSchema.parse(JSON.parse(text)).access_token
  }
  const authorization = `JWT ${await token()}`
  const change = async (action: 'enroll' | 'unenroll', email: string, course: string): Promise<void> => {
    const body = JSON.stringify({ action, auto_enroll: action === 'enroll', courses: course, identifiers: email })
    const headers = { 'content-type': 'application/json', authorization }
    const { status, text } = await exchange({ url: `${lms.url}${BULK}`, headers, body })
    assert.equal(status, 200, text)
  }

  return {
    ...lms,

    /** Starts a replica's fault proxy and returns its URL. */
    proxyFor: async (replica: string): Promise<string> => {
      const proxy = await startFaultProxy(t)
      proxy.forwardTo(lms.url)
      proxy.onCall((call) => {
        const fault = faultOf(call)
        const { method, path, body } = call
        record.calls.push({ at: Date.now(), replica, method, path, body, fault: fault?.name ?? null })
        return fault?.reply ?? null
      })
      return proxy.url
    },

    /** Adds a fault. It goes before the older ones. */
    addFault: (fault: Fault): void => void faults.unshift(fault),
    endFaults: (): void => void faults.splice(0),
    late,

    /** Unenrolls as an operator does after a refund, and deletes an allowance. It bypasses the proxy and its faults. */
    unenroll: (email: string, course: string): Promise<void> => change('unenroll', email, course),

    /** Enrolls as somebody does in the LMS. */
    enroll: (email: string, course: string): Promise<void> => change('enroll', email, course),
  }
}
export type HistoryLms = Awaited<ReturnType<typeof startHistoryLms>>
