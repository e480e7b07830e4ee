import { createCache } from '../client/cache.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import type { Ask, Tokens } from '../client/token.ts'
import {
  type Account,
  accountRequest,
  type FoundAccounts,
  judgeAccount,
  judgeNamesakes,
  judgeSearchEmails,
  namesakeRequests,
  searchEmailsRequest,
} from './accounts.ts'
import { type Course, canBeCourse, listCourseKeys, lookUpCourse } from './courses.ts'

/** How long to remember which APIs the LMS has. */
export const AVAILABILITY_MS = 5 * 60_000
/** An allowance for a course that was deleted locks its buyer out of activating, so a course isn't kept for long. */
const COURSE_MS = 30_000
const COURSE_KEYS_MS = 5 * 60_000
/** Sales of a missing course cost the LMS at most one look-up in this time, however many there are. */
const MISSING_COURSE_REST_MS = 250
const MAX_COURSES = 5_000

/** What the LMS tells about courses and people. It throttles none of it but the list of courses. */
export interface LookUps {
  /**
   * The course with its true key, or null if there is none now. A course is kept for 30 s, unless it was requested
   * before `since` (ms since 1970). A missing one is never kept: someone may have just created it, so the LMS is asked
   * after this call begins.
   */
  course(key: string, since?: number): Promise<Judged<Course | null>>
  /** The keys of the courses that the service user sees, at most 2,000. Kept for 5 min. */
  courseKeys(): Promise<Judged<readonly string[]>>
  account(email: string): Promise<Judged<Account>>
  /**
   * Those of these addresses that are, or may be, the user name of an account with another address. Never kept: anyone
   * can register such a name at any time.
   */
  takenAsUsernames(emails: readonly string[]): Promise<Judged<ReadonlySet<string>>>
  /**
   * The accounts of these addresses. null if the LMS lets the service user search none; it is then asked again after
   * 5 min.
   * @throws Error for more than SEARCH_ADDRESSES addresses
   */
  searchEmails(emails: readonly string[]): Promise<Judged<FoundAccounts | null>>
}

interface Parts {
  readonly ask: Ask
  readonly tokens: Tokens
  readonly now: () => number
}

export function createLookUps(parts: Parts): LookUps {
  const { ask } = parts
  return {
    course: courseLookUp(parts),
    courseKeys: courseList(parts),
    account: (email) => ask(accountRequest({ email }), (answer) => judgeAccount(answer, { email })),
    takenAsUsernames: (emails) => lookUpNamesakes({ ask, emails }),
    searchEmails: emailSearch(parts),
  }
}

async function lookUpNamesakes({ ask, emails }: { ask: Ask; emails: readonly string[] }) {
  const taken = new Set<string>()
  for (const { request, emails: some } of namesakeRequests({ emails })) {
    const found = await ask(request, (answer) => judgeNamesakes(answer, { emails: some }))
    if (!found.ok) return found
    for (const email of found.value) taken.add(email)
  }
  return succeeded<ReadonlySet<string>>(taken)
}

function courseLookUp({ ask, tokens, now }: Parts): LookUps['course'] {
  const courses = createCache<Course | null>({
    now,
    max: MAX_COURSES,
    ttlMs: (course) => (course === null ? 0 : COURSE_MS),
    restMs: MISSING_COURSE_REST_MS,
    load: (key) => lookUpCourse({ key, serviceUser: tokens.get, ask }),
  })
  return async (key, since) => (canBeCourse(key) ? courses.get(key, since) : succeeded(null))
}

function courseList({ ask, tokens, now }: Parts): LookUps['courseKeys'] {
  const lists = createCache<readonly string[]>({
    now,
    max: 1,
    ttlMs: () => COURSE_KEYS_MS,
    load: () => listCourseKeys({ serviceUser: tokens.get, ask }),
  })
  return () => lists.get('')
}

function emailSearch({ ask, now }: Omit<Parts, 'tokens'>): LookUps['searchEmails'] {
  let missingSince: number | null = null
  const isMissing = (): boolean => {
    const age = missingSince === null ? null : now() - missingSince
    return age !== null && age >= 0 && age < AVAILABILITY_MS // a clock that was set back ends it
  }
  return async (emails) => {
    if (isMissing()) return succeeded(null)
    const found = await ask(searchEmailsRequest({ emails }), (answer) => judgeSearchEmails(answer, { emails }))
    missingSince = found.ok && found.value === null ? now() : null
    return found
  }
}
