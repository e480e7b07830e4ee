import type { WriteContext } from '../database/write-context.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import type { Failure } from '../openedx/failure.ts'
import { SEARCH_ADDRESSES } from '../openedx/search-emails.ts'
import { type Asking, askAccount, findAccounts, readRows } from './look-ups.ts'
import { coursesWith, type Reported, reportedInState } from './reported.ts'
import type { Check } from './result.ts'
import { isDueToAsk, type Seen, type SeenAccount, type SeenRow } from './seen.ts'
import { storeChecks } from './store-checks.ts'

/** The most people of one course in a call. */
const PEOPLE_OF_COURSE = 100
/** So many calls in a row that fail end the round: it isn't about one person or one course. */
const FAILURES_IN_A_ROW = 3

export interface RoundResult {
  /** How many deliveries were looked up. */
  readonly deliveries: number
  readonly events: number
  /** The first failure of a call; null if there was none. */
  readonly failure: Failure | null
  /** Whether it came to the end. */
  readonly complete: boolean
}

interface RoundOptions {
  readonly context: WriteContext
  /** Rejects with ROUND_OVER if the round has to stop. */
  readonly asking: Asking
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>
  readonly publish: (event: DeliveryEvent) => void
}

/** Rejects a call of a round that has to stop. What it has stored until then stays. */
export const ROUND_OVER = new Error('the round has to stop')

/** A delivery whose buyer has an account. */
interface Registered {
  readonly reported: Reported
  readonly account: Extract<SeenAccount, { username: string }>
  readonly askedAt: number
  readonly rows: Map<string, SeenRow>
  /** The courses that the LMS has not been asked about yet. */
  readonly open: Set<string>
}

/**
 * Looks up all pre-enrolled buyers in the LMS, and stores what became of them: 1,000 addresses a call, and for those
 * with an account their enrollments, 100 people of a course a call. A call that fails leaves its people to the next
 * round. A failure that isn't about some people, such as an LMS that is down, ends the round.
 */
export async function followUpRound(options: RoundOptions): Promise<RoundResult> {
  const round = createRound(options)
  const { context, guard } = options
  let complete = true
  try {
    const page: Reported[] = []
    for await (const chunk of reportedInState({ db: context.database.db, guard, state: 'pre_enrolled' })) {
      page.push(...chunk)
      while (page.length >= SEARCH_ADDRESSES) await round.search(page.splice(0, SEARCH_ADDRESSES))
    }
    await round.search(page)
    await round.listRest()
  } catch (error) {
    if (error !== ROUND_OVER) throw error
    complete = false
  }
  return { ...round.result(), complete }
}

function createRound(options: RoundOptions) {
  const { context, asking } = options
  /** By course: buyers whose enrollment in it has to be read. */
  const toList = new Map<string, Registered[]>()
  const failures = createFailures()
  let [deliveries, events] = [0, 0]
  const publish = (event: DeliveryEvent): void => {
    events++
    options.publish(event)
  }
  const store = (checks: readonly Check[]) => storeChecks(context, { ...options, checks, publish })

  /** Reads who of these people is enrolled in the course, and stores whose courses are all read now. */
  const list = async (course: string, people: readonly Registered[]): Promise<void> => {
    const listed = await readRows(asking, { course, usernames: people.map(({ account }) => account.username) })
    failures.note(listed)
    if (!listed.ok) return
    const checks: Check[] = []
    for (const person of people) {
      const row = listed.value.get(person.account.username)
      if (row !== undefined) person.rows.set(course, row)
      person.open.delete(course)
      if (person.open.size > 0) continue
      const seen = await seenOf(asking, person)
      failures.note(seen)
      if (seen.ok) checks.push(checkOf(person.reported, seen.value, person.askedAt))
    }
    await store(checks)
  }

  /** Lists the courses for which at least `least` people wait, in calls that are full if there are more of them. */
  const listCourses = async (least: number): Promise<void> => {
    for (const [course, people] of toList) {
      while (people.length >= least) await list(course, people.splice(0, PEOPLE_OF_COURSE))
    }
  }

  return {
    /** Looks up the accounts of these deliveries. */
    search: async (page: readonly Reported[]): Promise<void> => {
      if (page.length === 0) return
      const askedAt = context.now()
      for await (const accounts of findAccounts(asking, [...new Set(page.map(({ email }) => email))])) {
        failures.note(accounts)
        if (!accounts.ok) continue
        const found = page.flatMap((reported) => withAccount(reported, accounts.value))
        deliveries += found.length
        await store(found.flatMap(({ reported, account }) => checkWithoutRows(reported, account, askedAt)))
        for (const person of found.flatMap((one) => registeredOf(one, askedAt))) {
          for (const course of person.open)
            toList
              .set(course, toList.get(course) ?? [])
              .get(course)
              ?.push(person)
        }
        await listCourses(PEOPLE_OF_COURSE)
      }
    },
    /** Reads the enrollments of those for whom no call was full. */
    listRest: () => listCourses(1),
    result: () => ({ deliveries, events, failure: failures.first() }),
  }
}

interface WithAccount {
  readonly reported: Reported
  readonly account: SeenAccount
}

function withAccount(reported: Reported, accounts: ReadonlyMap<string, SeenAccount>): WithAccount[] {
  const account = accounts.get(reported.email)
  return account === undefined ? [] : [{ reported, account }]
}

/** The check of a buyer who has no account of their own, so that there is no enrollment to read. */
function checkWithoutRows(reported: Reported, account: SeenAccount, askedAt: number): Check[] {
  if ('username' in account) return []
  const courses = new Set(coursesWith('allowed', reported.outcome))
  return [checkOf(reported, { account, rows: new Map(), courses, allowed: null }, askedAt)]
}

function registeredOf({ reported, account }: WithAccount, askedAt: number): Registered[] {
  if (!('username' in account)) return []
  return [{ reported, account, askedAt, rows: new Map(), open: new Set(coursesWith('allowed', reported.outcome)) }]
}

const checkOf = ({ id, state, generation }: Reported, seen: Seen, askedAt: number): Check => {
  return { id, state, generation, seen, askedAt }
}

/** Asks whether the account is active where that is due, to tell a missing enrollment from a missing activation. */
async function seenOf(asking: Asking, { reported, account, askedAt, rows }: Registered): ReturnType<typeof askAccount> {
  const courses = new Set(coursesWith('allowed', reported.outcome))
  const isDue = [...courses].some((course) => !rows.has(course) && isDueToAsk(reported.standings[course], askedAt))
  if (isDue) return askAccount(asking, reported.email, { rows, courses })
  const { username } = account
  return { ok: true, value: { account: { status: 'registered', username }, rows, courses, allowed: null } }
}

/** Counts the calls that failed, and ends the round where going on is no use. */
function createFailures() {
  let first: Failure | null = null
  let inARow = 0
  return {
    first: () => first,
    note: (judged: { readonly ok: true } | { readonly ok: false; readonly failure: Failure }): void => {
      if (judged.ok) {
        inARow = 0
        return
      }
      const { failure } = judged
      first ??= failure
      inARow++
      const isLocal = failure.kind === 'server_error' || failure.kind === 'refused'
      if (!isLocal || inARow >= FAILURES_IN_A_ROW) throw ROUND_OVER
    },
  }
}
