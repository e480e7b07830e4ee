import { type Failure, isInDoubt, mayStillLand } from '../lms/client/failure.ts'
import type { BatchContext } from './enroll-one-by-one.ts'
import { failAll, type Work } from './work.ts'

interface Failed extends Pick<BatchContext, 'batch' | 'breakers' | 'lms'> {
  readonly failure: Failure
}

/**
 * Splits a batch whose bulk_enroll call failed while the LMS is available. One person or one course may be the cause,
 * so the batch is sent again in parts: each course separately, then each half separately, until the cause is alone and
 * delays nobody else. This function sends nothing: it marks the works, which stay open and get their next calls in turn
 * with all others. A batch of one person and one course fails.
 */
export async function splitFailedBatch({ batch: { works, courses }, failure, breakers, lms }: Failed): Promise<void> {
  const [course] = courses
  const isOneCourse = courses.length === 1 && course !== undefined
  if (isOneCourse) {
    const people = works.map((work) => work.request.email)
    if (isInDoubt(failure)) breakers.failed(course, { people, message: failure.message })
    if (works.length === 1) return failAll({ works, courses, failure })
  }
  const again = keptNothing(failure) ? works : await withoutAccount({ batch: { works, courses }, failure, lms })
  if (isOneCourse) {
    const middle = Math.ceil(again.length / 2)
    for (const half of [again.slice(0, middle), again.slice(middle)]) keepTogether(half)
    return
  }
  keepTogether(again)
}

function keepTogether(works: readonly Work[]): void {
  const part = Symbol('part')
  for (const work of works) work.grouping = part
}

/** With ATOMIC_REQUESTS, the LMS's default, a 500 rolls the whole call back (recorded: README.md, 'Seen besides'). */
const keptNothing = ({ status, mayHaveTakenEffect }: Failure): boolean => status === 500 || !mayHaveTakenEffect

/**
 * The works of people without an account. The call may have taken effect for anyone, and the sale may be refunded
 * before the next call. A person without an account can't have been enrolled, and gets the same allowance again. The
 * others are marked: they go one by one, and their state in the LMS is read before enrolling. Looking up accounts isn't
 * throttled, so it needs no permit.
 */
async function withoutAccount({
  batch: { works, courses },
  failure,
  lms,
}: Pick<Failed, 'batch' | 'failure' | 'lms'>): Promise<Work[]> {
  for (const work of works) {
    work.effectUnknown = true
    work.readFirst = true
    work.mayLand ||= mayStillLand(failure)
  }
  const accounts = await Promise.all(works.map((work) => lms.account(work.request.email)))
  const again: Work[] = []
  for (const [i, work] of works.entries()) {
    const account = accounts[i]
    if (!account?.ok) failAll({ works: [work], courses, failure: account?.failure ?? failure })
    else if (account.value.status === 'unknown') again.push(work)
    else work.grouping = 'suspect'
  }
  return again
}
