import type { FoundAccounts } from '../../lms/apis/accounts.ts'
import { groupsForCourseList } from '../../lms/apis/enrollment.ts'
import { type Allowance, enrollsOnActivation, userOfAllowance } from '../../lms/apis/enrollment-allowed.ts'
import { listCanNameUser } from '../../lms/apis/people-lists.ts'
import type { Permit } from '../../lms/client/budget.ts'
import { type Failed, type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import { lineOf } from '../../sale/line.ts'
import { isModePending, type ModeOf } from '../course-mode.ts'
import { type AskingAccounts, accountAt, findLeft } from './find-accounts.ts'
import type { Sought } from './reported.ts'
import type { Check } from './result.ts'
import { buyerIn, isDueToAsk, type Seen, type SeenAccount, type SeenRow } from './standing.ts'

/** The most people of one course in a call. */
const PEOPLE_OF_COURSE = 100

/** What a look-up yields. `course`: the course for which a call failed. */
type Found = Judged<Check[]> & { readonly course?: string }

/** What every look-up needs. */
export interface Asking extends AskingAccounts {
  readonly lms: AskingAccounts['lms'] & Pick<Lms, 'enrollment' | 'enrollmentsOfCourse' | 'allowances' | 'course'>
  /** Waits for the right to make one throttled call, and then as `beforeCall`. Rejects if the work has to stop. */
  readonly acquire: () => Promise<Permit>
  readonly modeOf: ModeOf
}

interface LookingUp extends Asking {
  /**
   * To find out all that a standing depends on: whether the account is active or retired, and, where it matters, the
   * allowances, here of an address. null: that is asked only where it is due; see isDueToAsk.
   */
  readonly allowancesOf: ((email: string) => Promise<Judged<readonly Allowance[]>>) | null
  /** ms since 1970 */
  readonly now: () => number
}

/**
 * Looks up the buyers of deliveries in the LMS: 200 addresses a call, and for those with an account their enrollments,
 * 100 people of a course a call, in calls that are full if there are more people on later pages. Who is not at the address
 * any more, but has a course of the delivery, is looked up by the id of the account. Yields what is known after each
 * step, or the failure of a call: its people are then left out.
 * @param pages at most SEARCH_ADDRESSES deliveries each
 * @throws what `acquire` and `beforeCall` reject with
 */
export async function* lookUp(
  asking: LookingUp,
  pages: AsyncIterable<readonly Sought[]> | Iterable<readonly Sought[]>,
): AsyncGenerator<Found> {
  const toList = new Map<string, Person[]>()
  for await (const page of pages) {
    const askedAt = asking.now()
    await asking.beforeCall()
    const searched = await asking.lms.searchEmails([...new Set(page.map(({ reported }) => reported.email))])
    if (!searched.ok) {
      yield searched
      continue
    }
    const isAlone = ({ reported }: Sought): boolean => searched.value.others.has(reported.email)
    const found = page.filter((sought) => !isAlone(sought))
    // If one who is asked for alone ends the look-up, it has the others by then.
    for (const some of [found, ...page.filter(isAlone).map((sought) => [sought])]) {
      const people: Person[] = []
      for (const sought of some) {
        const person = await personOf(asking, { sought, searched: searched.value, askedAt })
        if (person.ok) people.push(person.value)
        else yield person
      }
      yield* complete(asking, people)
      for (const person of people) {
        for (const course of person.open) toList.set(course, [...(toList.get(course) ?? []), person])
      }
      yield* listCourses(asking, toList, PEOPLE_OF_COURSE)
    }
  }
  yield* listCourses(asking, toList, 1)
}

/**
 * Looks up everything about the buyers of these deliveries (at most SEARCH_ADDRESSES). Gives the checks in the order of
 * the deliveries. The first failure of the LMS ends it. Nothing is asked twice about an address with several of them.
 */
export async function lookUpAll(
  asking: Omit<LookingUp, 'allowancesOf'>,
  sought: readonly Sought[],
): Promise<Judged<Check[]>> {
  const { lms } = asking
  const allowancesOf = once(async (email) => lms.allowances(await asking.acquire(), { email }))
  const thorough = { ...asking, lms: { ...lms, account: once(lms.account) }, allowancesOf }
  const checks = new Map<string, Check>()
  for await (const found of lookUp(thorough, [sought])) {
    if (!found.ok) return found
    for (const check of found.value) checks.set(check.reported.id, check)
  }
  return succeeded(sought.flatMap(({ reported }) => checks.get(reported.id) ?? []))
}

function once<T>(ask: (email: string) => Promise<T>): (email: string) => Promise<T> {
  const asked = new Map<string, Promise<T>>()
  return (email) => {
    const answer = asked.get(email) ?? ask(email)
    asked.set(email, answer)
    return answer
  }
}

/** What is known of the buyer of a delivery. */
interface Person extends Sought {
  readonly account: SeenAccount
  /** See Seen.left. */
  readonly left: ReadonlyMap<string, SeenAccount>
  readonly askedAt: number
  readonly rows: Map<string, SeenRow>
  /** The courses that the LMS has not been asked about yet. */
  readonly open: Set<string>
}

async function personOf(
  asking: Asking,
  { sought, searched, askedAt }: { sought: Sought; searched: FoundAccounts; askedAt: number },
): Promise<Judged<Person>> {
  const { reported, courses } = sought
  const { email, lines } = reported
  const account = await accountAt(asking, email, searched)
  if (!account.ok) return account
  const given = courses.flatMap((course) => {
    const to = lineOf(lines, course)?.account ?? null
    return to === null ? [] : [{ course, to }]
  })
  const left = await findLeft(asking, { email, given, account: account.value })
  if (!left.ok) return left
  const found = { account: account.value, left: left.value }
  const open = new Set(courses.filter((course) => 'username' in buyerIn(course, found)))
  return succeeded({ ...sought, ...found, askedAt, rows: new Map(), open })
}

/**
 * Lists the courses for which at least `least` people wait, in calls that are full if there are more of them. Yields the
 * checks of those whose courses are all read then.
 */
async function* listCourses(
  asking: LookingUp,
  toList: ReadonlyMap<string, Person[]>,
  least: number,
): AsyncGenerator<Found> {
  for (const [course, waiting] of toList) {
    while (waiting.length >= least) {
      const people = waiting.splice(0, PEOPLE_OF_COURSE)
      const usernames = people.flatMap((person) => usernameIn(course, person) ?? [])
      const listed = await readRows(asking, { course, usernames })
      yield listed.ok ? succeeded([]) : { ...listed, course }
      if (!listed.ok) continue
      for (const person of people) {
        const row = listed.value.get(usernameIn(course, person) ?? '')
        if (row !== undefined) person.rows.set(course, row)
        person.open.delete(course)
      }
      yield* complete(asking, people)
    }
  }
}

function usernameIn(course: string, person: Person): string | undefined {
  const account = buyerIn(course, person)
  return 'username' in account ? account.username : undefined
}

/** Asks what is left to ask about those of these people whose courses are all read. */
async function* complete(asking: LookingUp, people: readonly Person[]): AsyncGenerator<Judged<Check[]>> {
  const checks: Check[] = []
  for (const person of people.filter(({ open }) => open.size === 0)) {
    const seen = await seenOf(asking, person)
    if (!seen.ok && checks.length > 0) yield succeeded(checks.splice(0))
    const { reported, courses, askedAt } = person
    if (seen.ok) checks.push({ reported, courses, seen: seen.value, askedAt })
    else yield seen
  }
  if (checks.length > 0) yield succeeded(checks)
}

/** What was seen of a person. Asks for what the standings of a person without an enrollment depend on. */
async function seenOf(asking: LookingUp, person: Person): Promise<Judged<Seen>> {
  const { reported, courses, left, askedAt, rows } = person
  const { allowancesOf } = asking
  const missing = courses.filter((course) => !left.has(course) && !rows.has(course))
  const isDue = missing.some((course) => isDueToAsk(reported, { course, account: person.account, at: askedAt }))
  const isKnown = missing.length === 0 || !(allowancesOf !== null || isDue)
  if (isKnown) return succeeded({ account: person.account, left, rows, allowed: null })
  // search_emails tells neither whether the account is active nor whether it is retired.
  await asking.beforeCall()
  const asked = await asking.lms.account(reported.email)
  if (!asked.ok) return asked
  const account = asked.value
  if (account.status === 'active') {
    // The person may have activated since the enrollments were read.
    const read = await addRows(asking, rows, new Map(missing.map((course) => [course, account])))
    if (!read.ok) return read
  }
  if (allowancesOf === null) return succeeded({ account, left, rows, allowed: null })
  // An allowance enrolls only on activation, so those of an active person mean nothing.
  if (account.status !== 'unknown' && account.status !== 'inactive') {
    return succeeded({ account, left, rows, allowed: new Set() })
  }
  const listed = await allowancesOf(reported.email)
  if (!listed.ok) return listed
  const allowed = new Set(listed.value.filter(enrollsOnActivation).map(({ course }) => course))
  const waiting = missing.filter((course) => lineOf(reported.lines, course)?.result === 'allowed')
  const given = waiting.flatMap((course) => {
    const to = userOfAllowance(listed.value, course)
    return to === null ? [] : [{ course, to }]
  })
  const users = await findLeft(asking, { email: reported.email, given, account })
  if (!users.ok) return users
  const found = new Map([...users.value].filter(([, user]) => 'username' in user))
  const read = await addRows(asking, rows, found)
  return read.ok ? succeeded({ account, left: new Map([...left, ...found]), rows, allowed }) : read
}

/** Reads the enrollments of these accounts, each in its course. */
async function addRows(
  asking: Asking,
  rows: Person['rows'],
  accounts: ReadonlyMap<string, SeenAccount>,
): Promise<Judged<null>> {
  for (const [course, account] of accounts) {
    if (!('username' in account)) continue
    const read = await readRows(asking, { course, usernames: [account.username] })
    if (!read.ok) return read
    const row = read.value.get(account.username)
    if (row !== undefined) rows.set(course, row)
  }
  return succeeded(null)
}

/** The enrollments of these people in one course, by user name: up to 100 in one throttled call. */
async function readRows(
  asking: Asking,
  { course, usernames }: { course: string; usernames: readonly string[] },
): Promise<Judged<Map<string, SeenRow>>> {
  const rows = new Map<string, SeenRow>()
  const add = (username: string, { active, mode }: Pick<SeenRow, 'active' | 'mode'>): void => {
    rows.set(username, { active, mode, modePending: active && isModePending({ ...asking, course, mode }) })
  }
  const distinct = [...new Set(usernames)]
  for (const group of groupsForCourseList({ course, usernames: distinct.filter(listCanNameUser) })) {
    const listed = await asking.lms.enrollmentsOfCourse(await asking.acquire(), { course, usernames: group })
    if (!listed.ok) return rowsWithout(asking, course, listed)
    for (const { username, ...row } of listed.value) add(username, row)
  }
  for (const username of distinct.filter((name) => !listCanNameUser(name))) {
    const read = await asking.lms.enrollment(await asking.acquire(), { username, course })
    if (!read.ok) return rowsWithout(asking, course, read)
    if (read.value !== null) add(username, read.value)
  }
  return succeeded(rows)
}

/**
 * No enrollment, if a call failed because the LMS has deleted the course, which leaves its rows behind. The list then has
 * none of them (recorded: sequence-modify.json, 251), but fails up to Teak (openedx/openedx-platform#36700). The answer
 * about one person has null for the course (openedx/core/djangoapps/enrollments/serializers.py @e57a655d).
 */
async function rowsWithout(asking: Asking, course: string, failed: Failed): Promise<Judged<Map<string, SeenRow>>> {
  if (failed.failure.kind !== 'server_error') return failed
  await asking.beforeCall()
  const found = await asking.lms.course(course)
  return found.ok && found.value === null ? succeeded(new Map()) : failed
}
