import { enrollsOnActivation } from '../../lms/apis/enrollment-allowed.ts'
import { SEARCH_ADDRESSES } from '../../lms/apis/search-emails.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import { type Asking, askAccount, findAccounts, findOneByOne, readRows, throttled } from './look-ups.ts'
import type { Seen, SeenAccount, SeenRow } from './seen.ts'

/** Up to this many people are looked up one by one, which also tells whether their accounts are active. */
const FEW = 3

/** A person and the true course keys to ask about. */
export interface Person {
  readonly email: string
  readonly courses: readonly string[]
}

/** What was seen in these courses only: another sale to the same person has other ones. */
export const seenIn = (courses: readonly string[], seen: Seen): Seen => ({ ...seen, courses: new Set(courses) })

/**
 * Looks up everything about these people, by address: the account with whether it is active, the enrollments,
 * and, where an allowance matters, the allowances. The first failure of the LMS ends it.
 */
export async function lookUpAll(asking: Asking, people: readonly Person[]): Promise<Judged<Map<string, Seen>>> {
  const coursesOf = new Map<string, Set<string>>()
  for (const { email, courses } of people) {
    coursesOf.set(email, new Set([...(coursesOf.get(email) ?? []), ...courses]))
  }
  const isExact = coursesOf.size <= FEW
  const accounts = await findAll(asking, [...coursesOf.keys()], isExact)
  if (!accounts.ok) return accounts
  const rows = await readAllRows(asking, coursesOf, accounts.value)
  if (!rows.ok) return rows
  const seen = new Map<string, Seen>()
  for (const [email, courses] of coursesOf) {
    const account = accounts.value.get(email) ?? { status: 'unknown' }
    const found = { account, rows: rows.value.get(email) ?? new Map(), courses }
    const completed = await complete(asking, { email, found, isExact })
    if (!completed.ok) return completed
    seen.set(email, completed.value)
  }
  return succeeded(seen)
}

/** `isExact`: every account is looked up by itself. */
async function findAll(
  asking: Asking,
  emails: readonly string[],
  isExact: boolean,
): Promise<Judged<Map<string, SeenAccount>>> {
  const accounts = new Map<string, SeenAccount>()
  for (let from = 0; from < emails.length; from += SEARCH_ADDRESSES) {
    const some = emails.slice(from, from + SEARCH_ADDRESSES)
    for await (const found of (isExact ? findOneByOne : findAccounts)(asking, some)) {
      if (!found.ok) return found
      for (const [email, account] of found.value) accounts.set(email, account)
    }
  }
  return succeeded(accounts)
}

async function readAllRows(
  asking: Asking,
  coursesOf: ReadonlyMap<string, ReadonlySet<string>>,
  accounts: ReadonlyMap<string, SeenAccount>,
): Promise<Judged<Map<string, Map<string, SeenRow>>>> {
  const byEmail = new Map<string, Map<string, SeenRow>>()
  const registered = [...accounts].flatMap(([email, account]) => ('username' in account ? [{ email, ...account }] : []))
  for (const course of new Set([...coursesOf.values()].flatMap((courses) => [...courses]))) {
    const asked = registered.filter(({ email }) => coursesOf.get(email)?.has(course))
    const rows = await readRows(asking, { course, usernames: asked.map(({ username }) => username) })
    if (!rows.ok) return rows
    for (const { email, username } of asked) {
      const row = rows.value.get(username)
      if (row !== undefined) byEmail.set(email, (byEmail.get(email) ?? new Map()).set(course, row))
    }
  }
  return succeeded(byEmail)
}

/** Asks for what the standings of a person without an enrollment depend on. */
async function complete(
  asking: Asking,
  { email, found, isExact }: { email: string; found: Omit<Seen, 'allowed'>; isExact: boolean },
): Promise<Judged<Seen>> {
  if ([...found.courses].every((course) => found.rows.has(course))) return succeeded({ ...found, allowed: null })
  const asked = isExact ? succeeded({ ...found, allowed: null }) : await askAccount(asking, email, found)
  if (!asked.ok) return asked
  // An allowance enrolls only on activation, so those of an active person mean nothing.
  const { status } = asked.value.account
  if (status !== 'unknown' && status !== 'inactive') return succeeded({ ...asked.value, allowed: new Set() })
  const listed = await throttled(asking, (permit) => asking.lms.allowances(permit, { email }))
  if (!listed.ok) return listed
  const allowed = new Set(listed.value.filter(enrollsOnActivation).map(({ course }) => course))
  return succeeded({ ...asked.value, allowed })
}
