import { groupsForCourseList, listCanNameUser } from '../../lms/apis/enrollment.ts'
import { enrollsOnActivation, userOfAllowance } from '../../lms/apis/enrollment-allowed.ts'
import { acquireChecked, type Permit } from '../../lms/client/budget.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import { lineOf } from '../../sale/line.ts'
import { isModePending, type ModeOf } from '../course-mode.ts'
import { type Accounts, type AskingAccounts, findAccounts, findLeft, type Given } from './find-accounts.ts'
import type { Reported, Sought } from './reported.ts'
import type { Check } from './result.ts'
import { buyerIn, isDueToAsk, type Seen, type SeenAccount, type SeenRow } from './standing.ts'

/** The most people of one course in a call. */
const PEOPLE_OF_COURSE = 100

/** What every look-up needs. */
export interface Asking extends AskingAccounts {
  readonly lms: AskingAccounts['lms'] & Pick<Lms, 'enrollment' | 'enrollmentsOfCourse' | 'allowances' | 'course'>
  /** Waits for the right to make one throttled call. Rejects if the work has to stop. */
  readonly acquire: () => Promise<Permit>
  readonly modeOf: ModeOf
}

interface LookingUp extends Asking {
  /**
   * Whether to find out all that a standing depends on: whether the account is active or retired, and, where it matters,
   * the allowances. Otherwise that is asked only where it is due; see isDueToAsk.
   */
  readonly thorough: boolean
  /**
   * Whether to ask for the account that has used an allowance and left its address. A round doesn't, because each look is a
   * throttled call, and reconcile repairs for the address.
   */
  readonly follows: boolean
  /** ms since 1970 */
  readonly now: () => number
}

/**
 * Looks up the buyers of deliveries in the LMS: 1,000 addresses a call, and for those with an account their enrollments,
 * 100 people of a course a call, in calls that are full if there are more people on later pages. Who is not at the address
 * any more, but has a course of the delivery, is looked up by the id of the account. Yields what is known after each
 * step, or the failure of a call: its people are then left out.
 * @param pages at most SEARCH_ADDRESSES deliveries each
 * @throws what `acquire` and `beforeCall` reject with
 */
export async function* lookUp(
  asking: LookingUp,
  pages: AsyncIterable<readonly Sought[]> | Iterable<readonly Sought[]>,
): AsyncGenerator<Judged<Check[]>> {
  const toList = new Map<string, Person[]>()
  for await (const page of pages) {
    const together = asking.thorough ? peopleIn(page) : page.map((sought) => [sought])
    const emails = new Set(page.map(({ reported }) => reported.email))
    const askedAt = asking.now()
    for await (const accounts of findAccounts(asking, [...emails])) {
      if (!accounts.ok) {
        yield accounts
        continue
      }
      const people: Person[] = []
      for (const sought of together) {
        const person = await personOf(asking, { sought, accounts: accounts.value, askedAt })
        if (!person.ok) yield person
        else if (person.value !== null) people.push(person.value)
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
 * the deliveries. The first failure of the LMS ends it.
 */
export async function lookUpAll(
  asking: Omit<LookingUp, 'thorough'>,
  sought: readonly Sought[],
): Promise<Judged<Check[]>> {
  const checks = new Map<string, Check>()
  for await (const found of lookUp({ ...asking, thorough: true }, [sought])) {
    if (!found.ok) return found
    for (const check of found.value) checks.set(check.reported.id, check)
  }
  return succeeded(sought.flatMap(({ reported }) => checks.get(reported.id) ?? []))
}

/**
 * What is known of a person, for the deliveries that are looked up together: all of theirs on a page if it is thorough, so
 * that nothing is asked twice, or else one, so that a course for which the LMS fails delays no other delivery.
 */
interface Person {
  readonly email: string
  readonly sought: readonly Sought[]
  readonly account: SeenAccount
  /** See Seen.left. */
  readonly left: ReadonlyMap<string, SeenAccount>
  readonly askedAt: number
  readonly rows: Map<string, SeenRow>
  /** The courses that the LMS has not been asked about yet. */
  readonly open: Set<string>
}

/** The deliveries of the same address, but not those that gave the same course to different accounts. */
function peopleIn(page: readonly Sought[]): Sought[][] {
  const isSame = (one: Sought, other: Sought): boolean =>
    one.courses.every((course) => !other.courses.includes(course) || buyerOf(one, course) === buyerOf(other, course))
  const buyerOf = ({ reported }: Sought, course: string) => lineOf(reported.lines, course)?.account?.id
  const people = new Map<string, Sought[][]>()
  for (const sought of page) {
    const known = people.get(sought.reported.email) ?? []
    const person = known.find((others) => others.every((other) => isSame(sought, other)))
    if (person !== undefined) person.push(sought)
    else people.set(sought.reported.email, [...known, [sought]])
  }
  return [...people.values()].flat()
}

/** null if the account at the address was not found out. */
async function personOf(
  asking: Asking,
  { sought, accounts, askedAt }: { sought: readonly Sought[]; accounts: Accounts; askedAt: number },
): Promise<Judged<Person | null>> {
  const email = sought[0]?.reported.email ?? ''
  const account = accounts.get(email)
  if (account === undefined) return succeeded(null)
  const given = sought.flatMap(({ reported, courses }) =>
    courses.flatMap((course) => {
      const to = lineOf(reported.lines, course)?.account ?? null
      return to === null ? [] : [{ course, to }]
    }),
  )
  const left = await findLeft(asking, { email, given, account })
  if (!left.ok) return left
  const courses = sought.flatMap((one) => one.courses)
  const isListed = (course: string): boolean => 'username' in buyerIn(course, { left: left.value, account })
  const open = new Set(courses.filter(isListed))
  return succeeded({ email, sought, account, left: left.value, askedAt, rows: new Map(), open })
}

/**
 * Lists the courses for which at least `least` people wait, in calls that are full if there are more of them. Yields the
 * checks of those whose courses are all read then.
 */
async function* listCourses(
  asking: LookingUp,
  toList: ReadonlyMap<string, Person[]>,
  least: number,
): AsyncGenerator<Judged<Check[]>> {
  for (const [course, waiting] of toList) {
    while (waiting.length >= least) {
      const people = waiting.splice(0, PEOPLE_OF_COURSE)
      const usernames = people.flatMap((person) => usernameIn(course, person) ?? [])
      const listed = await readRows(asking, { course, usernames })
      yield listed.ok ? succeeded([]) : listed
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
    const seen = await completeOne(asking, person)
    if (!seen.ok && checks.length > 0) yield succeeded(checks.splice(0))
    if (!seen.ok) yield seen
    else {
      const { sought, askedAt } = person
      // In its own courses only: another sale to the same person has other ones.
      const seenIn = (courses: readonly string[]): Seen => ({ ...seen.value, courses: new Set(courses) })
      checks.push(...sought.map(({ reported, courses }) => ({ reported, seen: seenIn(courses), askedAt })))
    }
  }
  if (checks.length > 0) yield succeeded(checks)
}

/** What was seen of a person. Asks for what the standings of a person without an enrollment depend on. */
async function completeOne(
  asking: LookingUp,
  { email, sought, account, left, askedAt, rows }: Person,
): Promise<Judged<Omit<Seen, 'courses'>>> {
  const atAddress = sought.flatMap(({ courses }) => courses.filter((course) => !left.has(course)))
  const missing = new Set(atAddress.filter((course) => !rows.has(course)))
  const isDue = sought.some(({ reported }) =>
    [...missing].some((course) => isDueToAsk(reported, { course, account, at: askedAt })),
  )
  if (missing.size === 0 || !(asking.thorough || isDue)) return succeeded({ account, left, rows, allowed: null })
  const asked = await askAccount(asking, { email, left, rows, missing })
  if (!asked.ok || !asking.thorough) return asked
  // An allowance enrolls only on activation, so those of an active person mean nothing.
  const { status } = asked.value.account
  if (status !== 'unknown' && status !== 'inactive') return succeeded({ ...asked.value, allowed: new Set() })
  const listed = await asking.lms.allowances(await permitFor(asking), { email })
  if (!listed.ok) return listed
  const allowed = new Set(listed.value.filter(enrollsOnActivation).map(({ course }) => course))
  const seen = { ...asked.value, allowed }
  if (!asking.follows) return succeeded(seen)
  const waiting = [...missing].filter((course) => sought.some(({ reported }) => isWaiting(reported, course)))
  const given = waiting.flatMap((course) => {
    const to = userOfAllowance(listed.value, course)
    return to === null ? [] : [{ course, to }]
  })
  return addUsers(asking, { seen, email, given })
}

const isWaiting = ({ lines }: Reported, course: string): boolean => lineOf(lines, course)?.result === 'allowed'

/**
 * Adds the accounts that have used the allowances of these courses, with their enrollments there: buyers who have activated,
 * and left the address before a round saw them.
 */
async function addUsers(
  asking: Asking,
  of: { seen: Omit<Seen, 'courses'>; email: string; given: readonly Given[] },
): Promise<Judged<Omit<Seen, 'courses'>>> {
  const { seen, email, given } = of
  const found = await findLeft(asking, { email, given, account: seen.account })
  if (!found.ok) return found
  const [left, rows] = [new Map(seen.left), new Map(seen.rows)]
  for (const [course, account] of found.value) {
    if (!('username' in account)) continue
    const read = await readRows(asking, { course, usernames: [account.username] })
    if (!read.ok) return read
    left.set(course, account)
    const row = read.value.get(account.username)
    if (row !== undefined) rows.set(course, row)
  }
  return succeeded({ ...seen, left, rows })
}

/**
 * Asks about the account of a person whose enrollments were read before: search_emails tells neither whether it is
 * active nor whether it is retired. Reads the missing enrollments of an active one again, since the person may have
 * activated in between.
 */
async function askAccount(
  asking: Asking,
  { email, left, rows, missing }: Pick<Person, 'email' | 'left' | 'rows'> & { missing: ReadonlySet<string> },
): Promise<Judged<Omit<Seen, 'courses'>>> {
  await asking.beforeCall()
  const account = await asking.lms.account(email)
  if (!account.ok) return account
  const again = new Map(rows)
  if (account.value.status === 'active') {
    const { username } = account.value
    for (const course of missing) {
      const read = await readRows(asking, { course, usernames: [username] })
      if (!read.ok) return read
      const row = read.value.get(username)
      if (row !== undefined) again.set(course, row)
    }
  }
  return succeeded({ account: account.value, left, rows: again, allowed: null })
}

/** The enrollments of these people in one course, by user name: up to 100 in one throttled call. */
async function readRows(
  asking: Asking,
  { course, usernames }: { course: string; usernames: readonly string[] },
): Promise<Judged<Map<string, SeenRow>>> {
  const rows = new Map<string, SeenRow>()
  const add = (username: string, { active, mode }: Pick<SeenRow, 'active' | 'mode'>): void => {
    rows.set(username, {
      active,
      mode,
      modePending: active && isModePending({ ...asking, course, mode }),
      against: null,
    })
  }
  const distinct = [...new Set(usernames)]
  for (const group of groupsForCourseList({ course, usernames: distinct.filter(listCanNameUser) })) {
    const listed = await asking.lms.enrollmentsOfCourse(await permitFor(asking), { course, usernames: group })
    if (!listed.ok) return listed
    for (const { username, ...row } of listed.value) add(username, row)
  }
  for (const username of distinct.filter((name) => !listCanNameUser(name))) {
    const read = await asking.lms.enrollment(await permitFor(asking), { username, course })
    if (!read.ok) return read
    if (read.value !== null) add(username, read.value)
  }
  return succeeded(rows)
}

/** Waits for the right to make one throttled call now. */
export const permitFor = ({ acquire, beforeCall }: Pick<Asking, 'acquire' | 'beforeCall'>): Promise<Permit> =>
  acquireChecked(acquire, beforeCall)
