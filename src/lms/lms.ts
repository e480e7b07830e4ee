import type { BatchAction, BatchAnswer } from './apis/batch-answer.ts'
import {
  type BulkCall,
  bulkAvailableRequest,
  bulkEnrollRequest,
  judgeBulkAvailable,
  judgeBulkEnroll,
} from './apis/bulk-enroll.ts'
import {
  changeModeRequest,
  courseEnrollmentListRequest,
  enrollmentRequest,
  enrollRequest,
  judgeCourseEnrollmentList,
  judgeEnroll,
  judgeEnrollment,
  judgeUnenroll,
  unenrollRequest,
} from './apis/enrollment.ts'
import {
  allowancesRequest,
  allowRequest,
  disallowRequest,
  judgeAllow,
  judgeAllowances,
  judgeDisallow,
} from './apis/enrollment-allowed.ts'
import { heartbeatRequest, judgeHeartbeat } from './apis/heartbeat.ts'
import {
  judgeModify,
  judgeModifyAvailable,
  type ModifyCall,
  modifyAvailableRequest,
  modifyRequest,
} from './apis/instructor-enrollments.ts'
import { AVAILABILITY_MS, createLookUps, type LookUps } from './apis/look-ups.ts'
import { type Answer, jsonOf } from './client/answer.ts'
import type { Permit } from './client/budget.ts'
import { type Cache, createCache } from './client/cache.ts'
import { type Judged, succeeded } from './client/failure.ts'
import { type Ask, createAsk, createTokens, type Send, type Token } from './client/token.ts'
import { createTransport, type LmsRequest, type TransportOptions } from './client/transport.ts'

/** For each call. */
const TIMEOUT_MS = 30_000

/**
 * The LMS's REST API. Each call is sent once, or twice if its token has to be renewed, and its answer is judged.
 * Retries are up to the caller. An API that the LMS throttles takes a permit. No answer of the LMS makes a call reject;
 * it rejects only with what `mayCall` throws.
 */
export interface Lms extends LookUps, BatchCalls, SingleCalls {
  /** The service user that the LMS's token names. */
  serviceUser(): Promise<Judged<Pick<Token, 'username' | 'administrator'>>>
  /** Waits for no slot, so that it works while calls hang. */
  heartbeat(): Promise<Judged<true>>
  /** Cuts the calls in flight. */
  close(): Promise<void>
}

interface LmsOptions
  extends Pick<TransportOptions, 'concurrency' | 'mayCall'>,
    Partial<Pick<TransportOptions, 'now' | 'onCall'>> {
  /** LERNITO_LMS_URL */
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  /** The version of this program, for the user-agent header. */
  readonly version: string
}

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
    ...createLookUps({ ask, tokens, now }),
    ...createBatchCalls({ ask, sendWithoutToken, now }),
    ...createSingleCalls(ask),
    async heartbeat() {
      const sent = await transport.send(heartbeatRequest(), { authorization: null, queued: false })
      return sent.ok ? judgeHeartbeat(sent.value) : sent
    },
    close: () => transport.close(),
  }
}

/** The APIs that enroll several people in a call. */
interface BatchCalls {
  /** Whether the LMS has bulk_enroll. Kept for 5 min, or until a bulk call shows that it has none. */
  bulkAvailable(): Promise<Judged<boolean>>
  /** @throws Error for an address that batchCanName rejects */
  bulkEnroll<A extends BatchAction>(permit: Permit, call: BulkCall<A>): Promise<Judged<BatchAnswer<A>>>
  /** Whether the LMS has enrollments/modify. Kept for 5 min, or until a call shows that it has none. */
  modifyAvailable(): Promise<Judged<boolean>>
  /**
   * Needs no permit, since the LMS doesn't throttle it (recorded: enrollments-modify.json, 'THROTTLE: …'). null if the
   * LMS has no such course.
   * @throws Error for what modifyRequest rejects
   */
  modify<A extends BatchAction>(call: ModifyCall<A>): Promise<Judged<BatchAnswer<A> | null>>
}

interface BatchParts {
  readonly ask: Ask
  readonly sendWithoutToken: Send
  readonly now: () => number
}

function createBatchCalls(parts: BatchParts): BatchCalls {
  const { ask } = parts
  const bulk = availability({ ...parts, request: bulkAvailableRequest(), judge: judgeBulkAvailable })
  const modify = availability({ ...parts, request: modifyAvailableRequest(), judge: judgeModifyAvailable })
  return {
    bulkAvailable: () => bulk.get(''),
    async bulkEnroll(permit, call) {
      const request = bulkEnrollRequest(call)
      permit.spend()
      const judged = await ask(request, (answer) => judgeBulkEnroll(answer, call))
      if (!judged.ok && judged.failure.status === 404) bulk.forget('')
      return judged
    },
    modifyAvailable: () => modify.get(''),
    modify: (call) =>
      ask(modifyRequest(call), (answer) => {
        const isGone = answer.status === 404 && jsonOf(answer) === undefined
        if (isGone) modify.forget('')
        return judgeModify(answer, call)
      }),
  }
}

function availability({
  sendWithoutToken,
  now,
  request,
  judge,
}: Omit<BatchParts, 'ask'> & { request: LmsRequest; judge: (answer: Answer) => Judged<boolean> }): Cache<boolean> {
  return createCache<boolean>({
    now,
    max: 1,
    ttlMs: () => AVAILABILITY_MS,
    async load() {
      const sent = await sendWithoutToken(request)
      // Without a token, no call takes effect.
      if (!sent.ok) return { ok: false, failure: { ...sent.failure, mayHaveTakenEffect: false } }
      return judge(sent.value)
    },
  })
}

type SingleCalls = ReturnType<typeof createSingleCalls>

/** The enrollment API, version 1. The LMS throttles all of it, so each call takes a permit. */
function createSingleCalls(ask: Ask) {
  function single<Of, T>(request: (of: Of) => LmsRequest, judge: (answer: Answer, asked: Of) => Judged<T>) {
    return (permit: Permit, of: Of): Promise<Judged<T>> => {
      const sent = request(of)
      permit.spend()
      return ask(sent, (answer) => judge(answer, of))
    }
  }
  return {
    /** null if the person was never enrolled. */
    enrollment: single(enrollmentRequest, judgeEnrollment),
    /**
     * The enrollments of these people in one course, active or not.
     * @throws Error if they don't fit in one call: see groupsForCourseList
     */
    enrollmentsOfCourse: single(courseEnrollmentListRequest, judgeCourseEnrollmentList),
    /** `force`: see enrollRequest; true if absent. */
    enroll: single(enrollRequest, judgeEnroll),
    /** Enrolls nobody. Only for an enrollment in another mode: see changeModeRequest. */
    changeMode: single(changeModeRequest, judgeEnroll),
    /** Only for a person who has an enrollment: see unenrollRequest. */
    unenroll: single(unenrollRequest, judgeUnenroll),
    allow: single(allowRequest, judgeAllow),
    allowances: single(allowancesRequest, judgeAllowances),
    /** false if there was none. */
    disallow: single(disallowRequest, judgeDisallow),
  }
}
