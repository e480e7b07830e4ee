import { canBeCourse } from '../sale/course-key.ts'
import type { LmsSettings } from '../service/settings/settings.ts'
import * as accountsApi from './apis/accounts.ts'
import { certificateCall, gradeCall, gradesCall, shownCertificatesCall } from './apis/achievements.ts'
import type { BatchAnswer } from './apis/batch-answer.ts'
import * as bulkApi from './apis/bulk-enroll.ts'
import { CATALOGUE_COURSE, courseListCall } from './apis/course-catalogue.ts'
import { addedModesCall, defaultModeCall } from './apis/course-modes.ts'
import * as coursesApi from './apis/courses.ts'
import * as enrollmentApi from './apis/enrollment.ts'
import * as allowedApi from './apis/enrollment-allowed.ts'
import { HEARTBEAT } from './apis/heartbeat.ts'
import * as modifyApi from './apis/instructor-enrollments.ts'
import type { PeopleOfCourse } from './apis/people-lists.ts'
import type { Permit } from './client/budget.ts'
import { createCache } from './client/cache.ts'
import { type Judged, succeeded } from './client/failure.ts'
import { type Ask, createAsk, createTokens, type Token, type Tokens } from './client/token.ts'
import { createTransport, type LmsCall, type TransportOptions } from './client/transport.ts'

/** For each call. */
const TIMEOUT_MS = 30_000
/** How long to remember which APIs the LMS has. */
const AVAILABILITY_MS = 5 * 60_000
/** An allowance for a course that was deleted locks its buyer out of activating, so a course isn't kept for long. */
const COURSE_MS = 30_000
/** Sales of a missing course cost the LMS at most one look-up in this time, however many there are. */
const MISSING_COURSE_REST_MS = 250
const MAX_COURSES = 5_000
/** The most courses that the LMS puts on a page of its list. */
export const COURSE_PAGE = 100

interface LmsOptions
  extends Pick<TransportOptions, 'concurrency' | 'mayCall'>,
    Partial<Pick<TransportOptions, 'now' | 'onCall'>> {
  readonly settings: Pick<LmsSettings, 'LERNITO_LMS_URL' | 'LERNITO_LMS_CLIENT_ID' | 'LERNITO_LMS_CLIENT_SECRET'>
}

/**
 * The client of the LMS that the settings name, for its REST API. The caller closes it. Each call is sent once, or twice if
 * its token has to be renewed, and its answer is judged. Retries are up to the caller. An API that the LMS throttles takes a
 * permit. No answer of the LMS makes a call reject; it rejects only with what `mayCall` throws.
 */
export function createLms({ settings, now = Date.now, onCall = () => {}, ...options }: LmsOptions) {
  const { LERNITO_LMS_CLIENT_ID: clientId, LERNITO_LMS_CLIENT_SECRET: clientSecret } = settings
  const url = new URL(settings.LERNITO_LMS_URL)
  const transport = createTransport({ ...options, url, timeoutMs: TIMEOUT_MS, now, onCall })
  const { ask: askWithoutToken } = transport
  const tokens = createTokens({ clientId, clientSecret, now, ask: askWithoutToken })
  const ask = createAsk({ transport, tokens })
  const parts = { ask, tokens, askWithoutToken, now }

  return {
    /** The service user that the LMS's token names. */
    async serviceUser(): Promise<Judged<Pick<Token, 'username' | 'administrator'>>> {
      const token = await tokens.get()
      if (!token.ok) return token
      const { username, administrator } = token.value
      return succeeded({ username, administrator })
    },
    ...createLookUps(parts),
    ...createEnrollingCalls(parts),
    ...createBackgroundCalls(parts),
    /** Waits for no slot, so that it works while calls hang. */
    heartbeat: () => transport.ask(HEARTBEAT, { queued: false }),
    /** Cuts the calls in flight. */
    close: () => transport.close(),
  }
}
export type Lms = ReturnType<typeof createLms>
/** What enrolls and withdraws, and looks up what that needs. */
export type EnrollingLms = ReturnType<typeof createLookUps> & ReturnType<typeof createEnrollingCalls>

interface Parts {
  readonly ask: Ask
  readonly tokens: Tokens
  readonly askWithoutToken: Ask
  readonly now: () => number
}

/** What the LMS tells about courses and people. It throttles none of it. */
function createLookUps(parts: Parts) {
  const { ask, tokens, now } = parts
  const courses = createCache<coursesApi.Course | null>({
    now,
    max: MAX_COURSES,
    ttlMs: (course) => (course === null ? 0 : COURSE_MS),
    restMs: MISSING_COURSE_REST_MS,
    load: (key) => coursesApi.lookUpCourse({ key, serviceUser: tokens.get, ask, shape: coursesApi.COURSE }),
  })
  return {
    /**
     * The course with its true key, or null if there is none now. A course is kept for 30 s, unless it was requested
     * before `since` (ms since 1970). A missing one is never kept: someone may have just created it, so the LMS is asked
     * after this call begins.
     */
    course: async (key: string, since?: number): Promise<Judged<coursesApi.Course | null>> =>
      canBeCourse(key) ? courses.get(key, since) : succeeded(null),
    account: (email: string) => ask(accountsApi.accountCall({ email })),
    accountById: (known: accountsApi.KnownAccount) => ask(accountsApi.accountByIdCall(known)),
    /**
     * Those of these addresses that are, or may be, the user name of an account with another address. Never kept: anyone
     * can register such a name at any time.
     */
    async takenAsUsernames(emails: readonly string[]): Promise<Judged<ReadonlySet<string>>> {
      const taken = new Set<string>()
      for (const call of accountsApi.namesakeCalls({ emails })) {
        const found = await ask(call)
        if (!found.ok) return found
        for (const email of found.value) taken.add(email)
      }
      return succeeded(taken)
    },
    searchEmails: (emails: readonly string[]) => ask(accountsApi.searchEmailsCall({ emails })),
  }
}

/**
 * The calls that enroll and withdraw, and what they read before. All but `modify` take a permit, because the LMS throttles
 * them.
 */
function createEnrollingCalls({ ask, askWithoutToken, now }: Parts) {
  const availability = (call: LmsCall<boolean>) =>
    createCache({ now, max: 1, ttlMs: () => AVAILABILITY_MS, load: () => askWithoutToken(call) })
  const bulk = availability(bulkApi.BULK_AVAILABLE)
  const modify = availability(modifyApi.MODIFY_AVAILABLE)
  function throttled<Of, T>(callOf: (of: Of) => LmsCall<T>) {
    return (permit: Permit, of: Of): Promise<Judged<T>> => {
      const call = callOf(of)
      permit.spend()
      return ask(call)
    }
  }
  const bulkEnroll = throttled(bulkApi.bulkEnrollCall)
  return {
    /** These two are kept for 5 min, or until a call shows that the LMS has no such API. */
    bulkAvailable: () => bulk.get(''),
    modifyAvailable: () => modify.get(''),
    async bulkEnroll(permit: Permit, of: bulkApi.BulkCall): Promise<Judged<BatchAnswer>> {
      const judged = await bulkEnroll(permit, of)
      if (!judged.ok && judged.failure.status === 404) bulk.forget('')
      return judged
    },
    /** The LMS doesn't throttle it (recorded: enrollments-modify.json, 'THROTTLE: …'). */
    async modify(of: modifyApi.ModifyCall): Promise<Judged<BatchAnswer | null>> {
      const judged = await ask(modifyApi.modifyCall(of))
      if (!judged.ok && judged.failure.status === 404) modify.forget('')
      return judged
    },
    // The enrollment API, version 1. Each call is documented where it is built.
    enrollment: throttled(enrollmentApi.enrollmentCall),
    enrollmentsOfCourse: throttled(enrollmentApi.courseEnrollmentListCall),
    enroll: throttled(enrollmentApi.enrollCall),
    changeMode: throttled(enrollmentApi.changeModeCall),
    unenroll: throttled(enrollmentApi.unenrollCall),
    allow: throttled(allowedApi.allowCall),
    allowances: throttled(allowedApi.allowancesCall),
    disallow: throttled(allowedApi.disallowCall),
  }
}

/**
 * How people learn, which the LMS tells to staff only, and all of its courses, for the catalogue. Nothing of it is kept
 * here.
 */
const createBackgroundCalls = ({ ask, tokens, askWithoutToken }: Parts) => ({
  grades: (of: PeopleOfCourse) => ask(gradesCall(of)),
  grade: (of: enrollmentApi.PersonInCourse) => ask(gradeCall(of)),
  certificate: (of: enrollmentApi.PersonInCourse) => ask(certificateCall(of)),
  shownCertificates: (of: { username: string }) => ask(shownCertificatesCall(of)),
  /**
   * A page of the courses that the service user sees, from 1, with up to COURSE_PAGE courses. Takes a permit: the LMS
   * throttles the list at 40 calls a minute, in which it counts the calls that enroll too (see sandbox/lms/throttle.ts).
   */
  async coursePage(permit: Permit, page: number) {
    const user = await tokens.get()
    if (!user.ok) return user
    const { username } = user.value
    permit.spend()
    return ask(courseListCall({ username, pageSize: COURSE_PAGE, page }))
  },
  catalogueCourse: (key: string) =>
    coursesApi.lookUpCourse({ key, serviceUser: tokens.get, ask, shape: CATALOGUE_COURSE }),
  addedModes: (course: string) => ask(addedModesCall({ course })),
  /** By a course to which nobody has added a mode. The LMS looks at no token there. */
  defaultMode: (course: string) => askWithoutToken(defaultModeCall({ course })),
})
