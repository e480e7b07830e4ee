import { groupsForCourseList, listCanNameUser } from '../../lms/apis/enrollment-list.ts'
import type { Permit } from '../../lms/client/budget.ts'
import { type Failure, type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import type { Reason } from '../../sale/reasons.ts'
import type { Seen, SeenAccount, SeenRow } from './seen.ts'

/** The result of the change to the course mode of the setting: the new mode, or why there is none. */
export type ModeApplied =
  | { readonly kind: 'applied'; readonly mode: string }
  | { readonly kind: 'reason'; readonly reason: Reason }
  | {
      readonly kind: 'failure'
      readonly failure: Pick<Failure, 'kind' | 'message' | 'retryAfterMs' | 'mayHaveTakenEffect'>
    }

/** What every look-up needs. */
export interface Asking {
  readonly lms: Pick<Lms, 'account' | 'searchEmails' | 'enrollment' | 'enrollmentsOfCourse' | 'allowances' | 'course'>
  /** Waits for the right to make one throttled call. Rejects if the work has to stop. */
  readonly acquire: () => Promise<Permit>
  /** Called right before each call. Rejects if the work has to stop. */
  readonly beforeCall: () => Promise<void>
  /** The rest before each look-up of an account if the LMS lacks search_emails. */
  readonly rest: () => Promise<void>
  /** Whether the setting names another course mode for an active enrollment. */
  readonly isModePending: (of: { course: string; mode: string }) => boolean
}

/**
 * Finds the accounts of these addresses (at most SEARCH_ADDRESSES), by address, in one call of search_emails. It doesn't
 * tell whether an account is active, and takes a retired account for an unknown one. An LMS without search_emails is
 * asked for one account at a time, at a slow pace. Yields what each call found, or its failure: its addresses are then
 * left out.
 */
export async function* findAccounts(
  asking: Asking,
  emails: readonly string[],
): AsyncGenerator<Judged<Map<string, SeenAccount>>> {
  await asking.beforeCall()
  const searched = await asking.lms.searchEmails(emails)
  if (!searched.ok) return yield searched
  if (searched.value === null) return yield* findOneByOne(asking, emails)
  const { usernames, others } = searched.value
  const accounts = new Map<string, SeenAccount>()
  for (const email of emails) {
    const username = usernames.get(email)
    if (username !== undefined) accounts.set(email, { status: 'registered', username })
    else if (!others.has(email)) accounts.set(email, { status: 'unknown' })
  }
  yield succeeded(accounts)
  // The address may be that of another account.
  yield* findOneByOne(
    { ...asking, rest: async () => {} },
    emails.filter((email) => !accounts.has(email)),
  )
}

/** The same by one call for each address, with a rest before each. */
export async function* findOneByOne(
  asking: Asking,
  emails: readonly string[],
): AsyncGenerator<Judged<Map<string, SeenAccount>>> {
  for (const email of emails) {
    await asking.rest()
    const account = await findAccount(asking, email)
    yield account.ok ? succeeded(new Map([[email, account.value]])) : account
  }
}

/** The account of one address, with whether it is active. The LMS doesn't throttle this. */
export async function findAccount({ lms, beforeCall }: Asking, email: string): Promise<Judged<SeenAccount>> {
  await beforeCall()
  return lms.account(email)
}

/** The enrollments of these people in one course, by user name: up to 100 in one throttled call. */
export async function readRows(
  asking: Asking,
  { course, usernames }: { course: string; usernames: readonly string[] },
): Promise<Judged<Map<string, SeenRow>>> {
  const rows = new Map<string, SeenRow>()
  const distinct = [...new Set(usernames)]
  for (const group of groupsForCourseList({ course, usernames: distinct.filter(listCanNameUser) })) {
    const listed = await throttled(asking, (permit) =>
      asking.lms.enrollmentsOfCourse(permit, { course, usernames: group }),
    )
    if (!listed.ok) return listed
    for (const { username, ...row } of listed.value) rows.set(username, seenRow(asking, course, row))
  }
  for (const username of distinct.filter((name) => !listCanNameUser(name))) {
    const read = await throttled(asking, (permit) => asking.lms.enrollment(permit, { username, course }))
    if (!read.ok) return read
    if (read.value !== null) rows.set(username, seenRow(asking, course, read.value))
  }
  return succeeded(rows)
}

function seenRow(
  { isModePending }: Asking,
  course: string,
  { active, mode }: Pick<SeenRow, 'active' | 'mode'>,
): SeenRow {
  return { active, mode, modePending: active && isModePending({ course, mode }), against: null }
}

/** Makes a call that the LMS throttles. */
export async function throttled<T>(asking: Asking, call: (permit: Permit) => Promise<T>): Promise<T> {
  return call(await permitFor(asking))
}

/** Waits for the right to make one throttled call now. */
export async function permitFor({ acquire, beforeCall }: Asking): Promise<Permit> {
  const permit = await acquire()
  try {
    await beforeCall()
  } catch (error) {
    permit.release()
    throw error
  }
  return permit
}

/**
 * Asks about the account of a person whose enrollments were read before: search_emails tells neither whether it is
 * active nor whether it is retired. Reads the enrollments of an active one again, since the person may have activated
 * in between.
 */
export async function askAccount(
  asking: Asking,
  email: string,
  { rows, courses }: Pick<Seen, 'rows' | 'courses'>,
): Promise<Judged<Seen>> {
  const account = await findAccount(asking, email)
  if (!account.ok) return account
  const seen = { account: account.value, courses, allowed: null }
  if (account.value.status !== 'active') return succeeded({ ...seen, rows })
  const again = new Map(rows)
  const { username } = account.value
  for (const course of [...courses].filter((one) => !rows.has(one))) {
    const read = await readRows(asking, { course, usernames: [username] })
    if (!read.ok) return read
    const row = read.value.get(username)
    if (row !== undefined) again.set(course, row)
  }
  return succeeded({ ...seen, rows: again })
}
