import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type StandInOptions, startStandIn } from '../../../sandbox/stand-in.ts'
import { checkNow } from '../../../src/enroll/follow-up/check-now.ts'
import { enrolledRound, followUpRound } from '../../../src/enroll/follow-up/follow-up.ts'
import type { Asking } from '../../../src/enroll/follow-up/look-up.ts'
import { outcomesRound } from '../../../src/enroll/follow-up/outcomes.ts'
import { readReported } from '../../../src/enroll/follow-up/reported.ts'
import { acquireChecked, unlimitedBudget } from '../../../src/lms/client/budget.ts'
import type { Lms } from '../../../src/lms/lms.ts'
import type { WriteContext } from '../../../src/queue/events.ts'
import type { CourseResult } from '../../../src/sale/line.ts'
import type { DeliveryEvent, Outcome, Settlement } from '../../../src/sale/types.ts'
import { control, DEMO } from '../../harness.ts'
import { factsOf, withFactsOf } from '../../lines.ts'
import { accepted, arrival, only, settled, setUp as setUpInbox } from '../../queue/harness.ts'
import { lmsAt } from '../lms-at.ts'

export const PYTHON = 'course-v1:Lernito+PY101+2026'
export const HONOR = 'course-v1:Lernito+Honor+2026'
export const ENROLL = '/api/enrollment/v1/enrollment'
export const MINUTE_MS = 60_000
export const DAY_MS = 86_400_000
export const SEARCH = '/api/user/v1/accounts/search_emails'
export const LIST = '/api/enrollment/v1/enrollments'
export const ACCOUNTS = '/api/user/v1/accounts'
export const GRADES = '/api/grades/v1/section_grades_breakdown/'
export const GRADE = '/api/grades/v1/courses/{course_id}/'
export const CERTIFICATES = '/api/certificates/v0/certificates/{username}/courses/{course_id}/'
export const COURSE = '/api/courses/v1/courses/{id}'
export const CERTIFICATE_LIST = '/api/certificates/v0/certificates/{username}/'
/** Where browsers reach the LMS. */
export const LMS_URL = 'https://learn.example.com'

/** For what reports an error that no test expects. */
export const unexpected = (error: unknown): never => {
  throw error
}
export const acquire = () => unlimitedBudget().acquire(new AbortController().signal)

interface Sale {
  readonly email: string
  readonly order?: number
  readonly courses?: Readonly<Record<string, CourseResult>>
  readonly accounts?: NonNullable<Settlement['accounts']>
}
/** The most sales in one statement. */
const AT_ONCE = 500
const ALLOWED = { [DEMO]: 'allowed' } as const

/** A database, a stand-in LMS, and the follow-up between them. The clock of the database stands still. */
export async function setUp(t: TestContext, options: StandInOptions = {}) {
  const bench = await setUpInbox(t)
  const { context, clock, db } = bench
  const standIn = await startStandIn({ throttle: 'off', ...options })
  const lms = lmsAt(standIn.url)
  t.after(async () => {
    await lms.close()
    await standIn.close()
  })
  const events: DeliveryEvent[] = []
  const publish = (event: DeliveryEvent): void => void events.push(event)

  /** Stores sales with these results. Returns their ids. */
  const sell = async (sales: readonly Sale[]): Promise<string[]> => {
    if (sales.length > AT_ONCE) return [...(await sell(sales.slice(0, AT_ONCE))), ...(await sell(sales.slice(AT_ONCE)))]
    const webhooks = sales.map(({ email, order = 1, courses = ALLOWED }) =>
      accepted(arrival({ email, order, courseIds: Object.keys(courses) })),
    )
    const ids = (await bench.store.write(webhooks)).map(({ id }) => id)
    const results = sales.map(({ courses = ALLOWED, accounts = {} }, n) => {
      const outcome: Outcome = { courses, reason: null }
      const final = { dueAt: null, attempts: 0, generation: 0, effectUnknown: false, detail: '' }
      return settled({ id: ids[n] ?? '', outcome, accounts, ...final })
    })
    await bench.store.write(results)
    return ids
  }

  /** One round; `asking` replaces parts of what its calls wait for. `at`: another replica makes it. */
  const makes =
    (make: typeof followUpRound) =>
    (changed: Partial<Asking & { lms: Lms }> = {}, at: WriteContext = context) => {
      const asking = { lms, acquire, modeOf: () => null, beforeCall: async () => {}, ...changed }
      return make({
        context: { ...at, publish },
        asking: { ...asking, acquire: () => acquireChecked(asking.acquire, asking.beforeCall) },
        guard: (work) => work(),
      })
    }

  const delivery = async (id: string) => withFactsOf(only(await readReported(db, [id])))
  return {
    ...bench,
    ...control(standIn.url),
    lms,
    events,
    sell,
    sellOne: async (sale: Sale): Promise<string> => only(await sell([sale])),
    round: makes(followUpRound),
    /** One round of those who are enrolled. */
    lookAgain: makes(enrolledRound),
    /** One round about what those who are enrolled have achieved. */
    askOutcomes: makes((of) => outcomesRound({ ...of, tellsPercent: false, lmsUrl: LMS_URL })),
    askGrades: makes((of) => outcomesRound({ ...of, tellsPercent: true, lmsUrl: LMS_URL })),
    delivery,
    /** The standing of each course, by true course key. */
    standings: async (id: string) => {
      const { standings } = await delivery(id)
      return Object.fromEntries(Object.entries(standings).map(([course, { standing }]) => [course, standing]))
    },
    later: (ms: number): void => {
      clock.at += ms
    },
    check: async (ids: readonly string[], asked: Partial<Lms> = {}, modeOf: Asking['modeOf'] = () => null) => {
      const listening = { ...context, publish }
      const checked = await checkNow({ context: listening, lms: { ...lms, ...asked }, acquire, modeOf, ids, by: 'ada' })
      return checked.map((one) => ('lines' in one ? { id: one.id, state: one.state, ...factsOf(one.lines) } : one))
    },
  }
}
export type FollowUp = Awaited<ReturnType<typeof setUp>>

/** The kinds and details of the events of a delivery that came after its sale. */
export async function history({ db }: Pick<FollowUp, 'db'>, id: string): Promise<string[]> {
  const events = await db.selectFrom('events').selectAll().where('delivery_id', '=', id).orderBy('id').execute()
  return events.slice(2).map(({ kind, detail }) => `${kind}: ${detail}`)
}

/** How often the LMS was called at each path since `forgetCalls`. */
export async function callsTo({ calls }: Pick<FollowUp, 'calls'>, ...paths: string[]): Promise<number[]> {
  const made = await calls()
  return paths.map((path) => made.filter((call) => call.path === path).reduce((sum, { count }) => sum + count, 0))
}

export const register = async (lms: Pick<FollowUp, 'people' | 'activate'>, email: string, active = true) => {
  const username = email.replace(/\W/g, '_').slice(0, 30)
  await lms.people({ email, username, active: false })
  if (active) await lms.activate(email)
  assert.ok(username)
}
