import type { Failure } from '../openedx/failure.ts'
import type { Means } from './enroll-singly.ts'

export type Withdrawn = { readonly deleted: number } | { readonly failure: Failure }

/**
 * Deletes the allowances that the LMS keeps for an address and nobody has used, whoever made them. Enrollments stay:
 * they belong to an account, which the LMS retires itself. Safe to be done again.
 */
export async function withdrawAllowances({
  email,
  lms,
  budget,
  signal,
}: Means & { email: string }): Promise<Withdrawn> {
  const listed = await lms.allowances(await budget.acquire(signal), { email })
  if (!listed.ok) return { failure: listed.failure }
  let deleted = 0
  for (const { course } of listed.value.filter(({ used }) => !used)) {
    const gone = await lms.disallow(await budget.acquire(signal), { email, course })
    if (!gone.ok) return { failure: gone.failure }
    if (gone.value) deleted++
  }
  return { deleted }
}
