import type { Budget } from '../openedx/budget.ts'
import type { Failure } from '../openedx/failure.ts'
import type { Lms } from '../openedx/lms.ts'

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
}: {
  email: string
  lms: Pick<Lms, 'allowances' | 'disallow'>
  budget: Budget
  signal: AbortSignal
}): Promise<Withdrawn> {
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
