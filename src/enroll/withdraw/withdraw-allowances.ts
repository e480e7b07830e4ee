import type { Failure } from '../../lms/client/failure.ts'
import type { CallContext } from '../pair.ts'

export type Withdrawn = { readonly deleted: number } | { readonly failure: Failure }

/**
 * Deletes all unused allowances that the LMS has for an address, including those that others made. Enrollments stay:
 * they belong to an account, which the LMS retires itself. Safe to repeat.
 */
export async function withdrawAllowances({ email, lms, acquire }: CallContext & { email: string }): Promise<Withdrawn> {
  const listed = await lms.allowances(await acquire(), { email })
  if (!listed.ok) return { failure: listed.failure }
  let deleted = 0
  for (const { course } of listed.value.filter(({ used, other }) => !used && other === null)) {
    const gone = await lms.disallow(await acquire(), { email, course })
    if (!gone.ok) return { failure: gone.failure }
    if (gone.value) deleted++
  }
  return { deleted }
}
