import { SEARCH_ADDRESSES } from '../../lms/apis/search-emails.ts'
import type { Permit } from '../../lms/client/budget.ts'
import type { DeliveryEvent } from '../../sale/types.ts'
import { type Changing, changeFor } from './change.ts'
import { type Asking, askAccount, findAccounts, type ModeApplied, permitFor, readRows } from './look-ups.ts'
import { coursesWith, type Reported, reportedInState } from './reported.ts'
import type { Check } from './result.ts'
import { isDueToAsk, type Seen, type SeenAccount, type SeenRow } from './seen.ts'
import { storeChecks } from './store-checks.ts'

/** The most people of one course in a call. */
const PEOPLE_OF_COURSE = 100
/** This many failed calls in a row end the round: the cause isn't one person or one course. */
const FAILURES_IN_A_ROW = 3

export interface RoundResult {
  /** How many deliveries were looked up. */
  readonly deliveries: number
  readonly events: number
  /** The first failure of a call; null if there was none. */
  readonly failure: CallFailure | null
  /** Whether it came to the end. */
  readonly complete: boolean
}

type CallFailure = Extract<ModeApplied, { kind: 'failure' }>['failure']

/**
 * Changes an enrolled person to the course mode of the setting, and enrolls nobody. `acquire` waits for the right to make
 * a call, and rejects if the delivery doesn't want the change any more.
 */
export type ApplyMode = (of: {
  username: string
  course: string
  acquire: () => Promise<Permit>
}) => Promise<ModeApplied>

interface RoundOptions extends Pick<Changing, 'context' | 'replicas' | 'guard' | 'signal'> {
  readonly applyMode: ApplyMode
  /** Rejects with ROUND_OVER if the round has to stop. */
  readonly asking: Asking
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
 * Looks up all pre-enrolled buyers in the LMS, and stores their standings: 1,000 addresses a call, and for those
 * with an account their enrollments, 100 people of a course a call. A call that fails leaves its people to the next
 * round. A failure that isn't about some people, such as an LMS that is down, ends the round.
 */
export async function followUpRound(options: RoundOptions): Promise<RoundResult> {
  const { context, guard } = options
  const round = beginRound(options)
  let complete = true
  try {
    const page: Reported[] = []
    for await (const chunk of reportedInState({ db: context.database.db, guard, state: 'pre_enrolled' })) {
      page.push(...chunk)
      while (page.length >= SEARCH_ADDRESSES) await search(round, page.splice(0, SEARCH_ADDRESSES))
    }
    await search(round, page)
    await listCourses(round, 1)
  } catch (error) {
    if (error !== ROUND_OVER) throw error
    complete = false
  }
  const { deliveries, events, failures } = round
  return { deliveries, events, failure: failures.first(), complete }
}

function beginRound(options: RoundOptions) {
  const round = {
    asking: options.asking,
    options,
    now: options.context.now,
    failures: createFailures(),
    /** By course: buyers whose enrollment in it has to be read. */
    toList: new Map<string, Registered[]>(),
    deliveries: 0,
    events: 0,
    store: (checks: readonly Check[]) => storeChecks(options.context, { ...options, checks, publish }),
  }
  const publish = (event: DeliveryEvent): void => {
    round.events++
    options.publish(event)
  }
  return round
}
type Round = ReturnType<typeof beginRound>

/** Looks up the accounts of these deliveries, and makes the calls for the enrollments that are full by then. */
async function search(round: Round, page: readonly Reported[]): Promise<void> {
  if (page.length === 0) return
  const { asking, now, failures, toList, store } = round
  const askedAt = now()
  for await (const accounts of findAccounts(asking, [...new Set(page.map(({ email }) => email))])) {
    failures.note(accounts)
    if (!accounts.ok) continue
    const found = page.flatMap((reported) => withAccount(reported, accounts.value))
    round.deliveries += found.length
    await store(found.flatMap(({ reported, account }) => checkWithoutRows(reported, account, askedAt)))
    for (const person of found.flatMap((one) => registeredOf(one, askedAt))) {
      for (const course of person.open) toList.set(course, [...(toList.get(course) ?? []), person])
    }
    await listCourses(round, PEOPLE_OF_COURSE)
  }
}

/** Lists the courses for which at least `least` people wait, in calls that are full if there are more of them. */
async function listCourses(round: Round, least: number): Promise<void> {
  for (const [course, people] of round.toList) {
    while (people.length >= least) await list(round, course, people.splice(0, PEOPLE_OF_COURSE))
  }
}

/** Reads who of these people is enrolled in the course, and stores whose courses are all read now. */
async function list(round: Round, course: string, people: readonly Registered[]): Promise<void> {
  const { asking, failures, store } = round
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
    if (!seen.ok) continue
    const rows = await withModes(round, person, seen.value.rows)
    checks.push({ ...person, seen: { ...seen.value, rows } })
  }
  await store(checks)
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
  return [{ reported, seen: { account, rows: new Map(), courses, allowed: null }, askedAt }]
}

function registeredOf({ reported, account }: WithAccount, askedAt: number): Registered[] {
  if (!('username' in account)) return []
  return [{ reported, account, askedAt, rows: new Map(), open: new Set(coursesWith('allowed', reported.outcome)) }]
}

/** Asks whether the account is active where that is due, to tell a missing enrollment from a missing activation. */
async function seenOf(asking: Asking, { reported, account, askedAt, rows }: Registered): ReturnType<typeof askAccount> {
  const courses = new Set(coursesWith('allowed', reported.outcome))
  const isDue = [...courses].some((course) => !rows.has(course) && isDueToAsk(reported.standings[course], askedAt))
  if (isDue) return askAccount(asking, reported.email, { rows, courses })
  const { username } = account
  return { ok: true, value: { account: { status: 'registered', username }, rows, courses, allowed: null } }
}

/**
 * The enrollments after the change to the course mode of the setting. Where that fails, or something else is done for the
 * delivery, the next round tries again.
 */
async function withModes(
  { asking, options, failures }: Round,
  { reported, account: { username } }: Registered,
  rows: Seen['rows'],
): Promise<Seen['rows']> {
  const changed = new Map(rows)
  const changing = { ...options, acquire: () => permitFor(asking) }
  for (const [course, row] of rows) {
    if (!row.modePending) continue
    const result = await changeFor<ModeApplied>(changing, {
      reported,
      course,
      change: (acquire) => options.applyMode({ username, course, acquire }),
      isUnknown: (applied) => applied.kind === 'failure' && applied.failure.mayHaveTakenEffect,
    })
    if (result === null) continue
    if (result.kind === 'failure') failures.note({ ok: false, failure: result.failure })
    else changed.set(course, rowAfter(row, result))
  }
  return changed
}

function rowAfter(row: SeenRow, result: Exclude<ModeApplied, { kind: 'failure' }>): SeenRow {
  if (result.kind === 'applied') return { ...row, mode: result.mode, modePending: false }
  if (result.reason.code === 'person.unenrolled') return { ...row, active: false, modePending: false }
  return { ...row, modePending: false, against: result.reason }
}

/** Counts the calls that failed, and ends the round where going on is no use. */
function createFailures() {
  let first: CallFailure | null = null
  let inARow = 0
  return {
    first: () => first,
    note: (judged: { readonly ok: true } | { readonly ok: false; readonly failure: CallFailure }): void => {
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
