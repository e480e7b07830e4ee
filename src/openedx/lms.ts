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
import { createTokens, type Token, type Tokens } from './token.ts'
import { type Call, createTransport, type LmsRequest, type Transport } from './transport.ts'

const MINUTE_MS = 60_000
const COURSE_MS = 5 * MINUTE_MS
/** Sales of a missing course cost the LMS at most one look-up in this time, however many there are. */
const MISSING_COURSE_REST_MS = 250
const BULK_MS = 5 * MINUTE_MS
const MAX_COURSES = 5_000
/** For each call. */
const TIMEOUT_MS = 30_000

/**
 * The LMS's REST API. Each call is sent once, or twice if its token has to be renewed, and its answer is judged.
 * Retries are up to the caller. An API that the LMS throttles takes a permit. No answer of the LMS makes a call reject;
 * it rejects only with what `mayCall` throws.
 */
export interface Lms {
  /** The service user that the LMS's token names. */
  serviceUser(): Promise<Judged<Pick<Token, 'username' | 'administrator'>>>
  /**
   * The course with its true key, or null if there is none now. A course is kept for 5 min, unless it was requested
   * before `since` (ms since 1970). A missing one is never kept: someone may have just created it, so the LMS is asked
   * after this call begins.
   */
  course(key: string, since?: number): Promise<Judged<Course | null>>
  account(email: string): Promise<Judged<Account>>
  /** Whether the LMS has bulk_enroll. Kept for 5 min, or until a bulk call shows that it has none. */
  bulkAvailable(): Promise<Judged<boolean>>
  /** @throws Error for an address that bulkCanName rejects */
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
  /** false if there was none. */
  disallow(permit: Permit, of: { email: string; course: string }): Promise<Judged<boolean>>
  /** Waits for no slot, so that it works while calls hang. */
  heartbeat(): Promise<Judged<true>>
  /** Cuts the calls in flight. */
  close(): Promise<void>
}

interface LmsOptions {
  /** LERNITO_LMS_URL */
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  /** The version of this program, for the user-agent header. */
  readonly version: string
  /** How many calls may be in flight at once, at least 1; read before each. */
  readonly concurrency: () => number
  /**
   * The right to call, checked before each call. Gives the signal that ends the right, and throws if it has ended. A
   * command always has it.
   */
  readonly mayCall?: () => AbortSignal
  readonly now?: () => number
  /** Receives every call after it has ended, for log and metrics. */
  readonly onCall?: (call: Call) => void
}

/** Sends a request with a token, and judges the answer. */
type Ask = <T>(request: LmsRequest, judge: (answer: Answer) => Judged<T>) => Promise<Judged<T>>

/** The client of one LMS. */
export function createLms(from: LmsOptions): Lms {
  const { clientId, clientSecret, version, now = Date.now, onCall = () => {}, ...options } = from
  const url = new URL(from.url)
  const userAgent = `lernito-openedx/${version}`
  const transport = createTransport({ ...options, url, userAgent, timeoutMs: TIMEOUT_MS, now, onCall })
  const sendWithoutToken = (request: LmsRequest) => transport.send(request, { authorization: null, queued: true })
  const tokens = createTokens({ url, clientId, clientSecret, now, send: sendWithoutToken })
  const ask = createAsk({ transport, tokens })

  return {
    async serviceUser() {
      const token = await tokens.get()
      if (!token.ok) return token
      const { username, administrator } = token.value
      return succeeded({ username, administrator })
    },
    course: courseLookUp({ ask, tokens, now }),
    account: (email) => ask(accountRequest({ email }), (answer) => judgeAccount(answer, { email })),
    ...bulkCalls({ ask, sendWithoutToken, now }),
    ...singleCalls(ask),
    async heartbeat() {
      const sent = await transport.send(heartbeatRequest(), { authorization: null, queued: false })
      return sent.ok ? judgeHeartbeat(sent.value) : sent
    },
    close: () => transport.close(),
  }
}

function createAsk({ transport, tokens }: { transport: Transport; tokens: Tokens }): Ask {
  async function sendWithToken(request: LmsRequest): Promise<Judged<Answer>> {
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

  return async (request, judge) => {
    const sent = await sendWithToken(request)
    return sent.ok ? withEffect(request, judge(sent.value)) : sent
  }
}

function courseLookUp({ ask, tokens, now }: { ask: Ask; tokens: Tokens; now: () => number }): Lms['course'] {
  const courses = createCache<Course | null>({
    now,
    max: MAX_COURSES,
    ttlMs: (course) => (course === null ? 0 : COURSE_MS),
    restMs: MISSING_COURSE_REST_MS,
    load: (key) => lookUpCourse({ key, serviceUser: tokens.get, ask }),
  })
  return async (key, since) => (canBeCourse(key) ? courses.get(key, since) : succeeded(null))
}

function bulkCalls({
  ask,
  sendWithoutToken,
  now,
}: {
  ask: Ask
  sendWithoutToken: (request: LmsRequest) => Promise<Judged<Answer>>
  now: () => number
}): Pick<Lms, 'bulkAvailable' | 'bulkEnroll'> {
  const availability = createCache<boolean>({
    now,
    max: 1,
    ttlMs: () => BULK_MS,
    async load() {
      const sent = await sendWithoutToken(bulkAvailableRequest())
      return sent.ok ? judgeBulkAvailable(sent.value) : sent
    },
  })
  return {
    bulkAvailable: () => availability.get(''),
    async bulkEnroll(permit, call) {
      const request = bulkEnrollRequest(call)
      permit.spend()
      const judged = await ask(request, (answer) => judgeBulkEnroll(answer, call))
      if (!judged.ok && judged.failure.status === 404) availability.forget('')
      return judged
    },
  }
}

function singleCalls(
  ask: Ask,
): Pick<Lms, 'enrollment' | 'enrollments' | 'enroll' | 'allow' | 'allowances' | 'disallow'> {
  function spend<T>(permit: Permit, request: LmsRequest, judge: (answer: Answer) => Judged<T>): Promise<Judged<T>> {
    permit.spend()
    return ask(request, judge)
  }
  return {
    enrollment: (permit, of) =>
      spend(permit, enrollments.enrollmentRequest(of), (answer) => enrollments.judgeEnrollment(answer, of)),
    enrollments: (permit, of) => spend(permit, enrollmentListRequest(of), judgeEnrollmentList),
    enroll: (permit, of) =>
      spend(permit, enrollments.enrollRequest(of), (answer) => enrollments.judgeEnroll(answer, of)),
    allow: (permit, of) => spend(permit, allowances.allowRequest(of), (answer) => allowances.judgeAllow(answer, of)),
    allowances: (permit, of) =>
      spend(permit, allowances.allowancesRequest(of), (answer) => allowances.judgeAllowances(answer, of)),
    disallow: (permit, of) => spend(permit, allowances.disallowRequest(of), allowances.judgeDisallow),
  }
}
