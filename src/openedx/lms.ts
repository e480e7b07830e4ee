import { type Account, accountRequest, judgeAccount } from './accounts.ts'
import type { Answer } from './answer.ts'
import type { Permit } from './budget.ts'
import {
  type BulkAnswer,
  type BulkCall,
  bulkAvailableRequest,
  bulkEnrollRequest,
  judgeBulkAvailable,
  judgeBulkEnroll,
} from './bulk-enroll.ts'
import { createCache } from './cache.ts'
import { type Course, canBeCourse, lookUpCourse } from './courses.ts'
import { withEffect } from './effect.ts'
import * as enrollments from './enrollment.ts'
import * as allowances from './enrollment-allowed.ts'
import { type EnrollmentRow, enrollmentListRequest, judgeEnrollmentList } from './enrollment-list.ts'
import { failed, type Judged, succeeded } from './failure.ts'
import { heartbeatRequest, judgeHeartbeat } from './heartbeat.ts'
import { createTokens, type Token } from './token.ts'
import { type Call, createTransport, type LmsRequest } from './transport.ts'

const MINUTE_MS = 60_000
const COURSE_MS = 5 * MINUTE_MS
/** Sales of a course that is missing cost the LMS no more than a look-up in this time, however many come. */
const MISSING_COURSE_REST_MS = 250
const BULK_MS = 5 * MINUTE_MS
const MAX_COURSES = 5_000
/** For each attempt. */
const TIMEOUT_MS = 30_000

/**
 * The LMS's REST API. Every call is sent once, with one renewal of the token, and judged; trying again is the caller's
 * business. What the LMS throttles takes a permit. Nothing here throws on what an LMS can answer; each call rejects with
 * what `mayCall` throws.
 */
export interface Lms {
  /** The service user, as the LMS's token names it. */
  serviceUser(): Promise<Judged<Pick<Token, 'username' | 'administrator'>>>
  /**
   * The course with its true key; kept 5 min, but asked for anew if that was before `since` (ms since 1970). null: there
   * is none now. That is never kept, and always asked for after this call, since it may have just been made.
   */
  course(key: string, since?: number): Promise<Judged<Course | null>>
  account(email: string): Promise<Judged<Account>>
  /** Whether the LMS has bulk_enroll; kept 5 min, or until a bulk call shows that it has none. */
  bulkAvailable(): Promise<Judged<boolean>>
  /** @throws Error for an address that bulkCanName refuses */
  bulkEnroll(permit: Permit, call: BulkCall): Promise<Judged<BulkAnswer>>
  enrollment(permit: Permit, of: { username: string; course: string }): Promise<Judged<enrollments.Enrollment | null>>
  /** All enrollments of the account with this address, active or not. */
  enrollments(
    permit: Permit,
    of: { email: string },
  ): Promise<Judged<{ rows: readonly EnrollmentRow[]; whole: boolean }>>
  enroll(
    permit: Permit,
    of: { username: string; course: string; mode: string | null },
  ): Promise<Judged<{ active: boolean; mode: string }>>
  allow(permit: Permit, of: { email: string; course: string }): Promise<Judged<'created' | 'exists'>>
  allowances(permit: Permit, of: { email: string }): Promise<Judged<readonly allowances.Allowance[]>>
  /** false: there was none. */
  disallow(permit: Permit, of: { email: string; course: string }): Promise<Judged<boolean>>
  /** Passes the gate at once, so that it tells the truth while calls hang. */
  heartbeat(): Promise<Judged<true>>
  /** Cuts the calls under way. */
  close(): Promise<void>
}

/**
 * @param from.url LERNITO_LMS_URL
 * @param from.version of this program, for the user-agent
 * @param from.concurrency how many calls may be under way at once, at least 1; asked before each
 * @param from.mayCall the right to call, asked before each: gives what ends it, and throws if it has ended. A command
 *   always may
 * @param from.onCall told of every attempt, for log and metrics
 */
export function createLms(from: {
  url: string
  clientId: string
  clientSecret: string
  version: string
  concurrency: () => number
  mayCall?: () => AbortSignal
  now?: () => number
  onCall?: (call: Call) => void
}): Lms {
  const { clientId, clientSecret, concurrency, now = Date.now, onCall = () => {} } = from
  const url = new URL(from.url)
  const userAgent = `lernito-openedx/${from.version}`
  const transport = createTransport({
    url,
    userAgent,
    concurrency,
    ...(from.mayCall && { mayCall: from.mayCall }),
    timeoutMs: TIMEOUT_MS,
    now,
    onCall,
  })
  const anonymously = (request: LmsRequest) => transport.send(request, { authorization: null, queued: true })
  const tokens = createTokens({ url, clientId, clientSecret, now, send: anonymously })

  async function authorized(request: LmsRequest): Promise<Judged<Answer>> {
    const token = await tokens.get()
    if (!token.ok) return token
    const { value } = token.value
    const first = await transport.send(request, { authorization: `JWT ${value}`, queued: true })
    if (!first.ok || first.value.status !== 401) return first
    const renewed = await tokens.renew(value)
    if (!renewed.ok) return renewed
    const second = await transport.send(request, { authorization: `JWT ${renewed.value.value}`, queued: true })
    if (!second.ok || second.value.status !== 401) return second
    const message = 'The LMS refuses a token that it just gave: check the clocks and its JWT_AUTH settings'
    return failed({ kind: 'misconfigured', endpoint: request.endpoint, status: 401, message })
  }

  async function ask<T>(request: LmsRequest, judge: (answer: Answer) => Judged<T>): Promise<Judged<T>> {
    const sent = await authorized(request)
    return sent.ok ? withEffect(request, judge(sent.value)) : sent
  }

  function spend<T>(permit: Permit, request: LmsRequest, judge: (answer: Answer) => Judged<T>): Promise<Judged<T>> {
    permit.spend()
    return ask(request, judge)
  }

  const courses = createCache<Course | null>({
    now,
    max: MAX_COURSES,
    ttlMs: (course) => (course === null ? 0 : COURSE_MS),
    restMs: MISSING_COURSE_REST_MS,
    load: (key) => lookUpCourse({ key, serviceUser: tokens.get, ask }),
  })

  const bulk = createCache<boolean>({
    now,
    max: 1,
    ttlMs: () => BULK_MS,
    async load() {
      const sent = await anonymously(bulkAvailableRequest())
      return sent.ok ? judgeBulkAvailable(sent.value) : sent
    },
  })

  return {
    async serviceUser() {
      const token = await tokens.get()
      if (!token.ok) return token
      const { username, administrator } = token.value
      return succeeded({ username, administrator })
    },
    course: async (key, since) => (canBeCourse(key) ? courses.get(key, since) : succeeded(null)),
    account: (email) => ask(accountRequest({ email }), (answer) => judgeAccount(answer, { email })),
    bulkAvailable: () => bulk.get(''),
    async bulkEnroll(permit, call) {
      const request = bulkEnrollRequest(call)
      const judged = await spend(permit, request, (answer) => judgeBulkEnroll(answer, call))
      if (!judged.ok && judged.failure.status === 404) bulk.forget('')
      return judged
    },
    enrollment: (permit, of) =>
      spend(permit, enrollments.enrollmentRequest(of), (answer) => enrollments.judgeEnrollment(answer, of)),
    enrollments: (permit, of) => spend(permit, enrollmentListRequest(of), judgeEnrollmentList),
    enroll: (permit, of) =>
      spend(permit, enrollments.enrollRequest(of), (answer) => enrollments.judgeEnroll(answer, of)),
    allow: (permit, of) => spend(permit, allowances.allowRequest(of), (answer) => allowances.judgeAllow(answer, of)),
    allowances: (permit, of) =>
      spend(permit, allowances.allowancesRequest(of), (answer) => allowances.judgeAllowances(answer, of)),
    disallow: (permit, of) => spend(permit, allowances.disallowRequest(of), allowances.judgeDisallow),
    async heartbeat() {
      const sent = await transport.send(heartbeatRequest(), { authorization: null, queued: false })
      return sent.ok ? judgeHeartbeat(sent.value) : sent
    },
    close: () => transport.close(),
  }
}
