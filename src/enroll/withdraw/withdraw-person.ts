import type { DeliveryRow } from '../../database/schema.ts'
import type { Failure } from '../../lms/client/failure.ts'
import { readOutcome, readRequest } from '../../queue/rows.ts'
import type { CourseWithdrawal, Withdrawal } from '../../queue/withdrawal-row.ts'
import type { CallContext } from '../pair.ts'
import { type CourseOrder, withdrawCourse } from './withdraw-course.ts'

/** The results so far, by course as in the order, and the failure that ended the attempt; null if it is complete. */
export interface Attempted {
  readonly courses: Readonly<Record<string, CourseWithdrawal>>
  readonly failure: Failure | null
}

const SOLD_AGAIN = 'the buyer has bought it again since'

/**
 * Takes the buyer of a delivery out of the courses of an order, one after the other. A course that the delivery never
 * reported is looked at only if an attempt may have taken effect without a report.
 * @throws what `acquire` and `beforeChange` reject with, and ZodError or SyntaxError for an unreadable row
 */
export async function withdrawPerson({
  order,
  delivery,
  everLate,
  isSoldAgain,
  ...context
}: CallContext &
  Pick<CourseOrder, 'beforeChange'> & {
    order: Withdrawal
    delivery: DeliveryRow
    /** Whether the LMS may have carried out a call for this person and course after nobody waited for it any more. */
    everLate: boolean
    /** Whether the buyer has bought a course again since the order. Asked before each course. */
    isSoldAgain: (course: string) => Promise<boolean>
  }): Promise<Attempted> {
  const { email } = readRequest(delivery.request ?? 'null')
  const reported = delivery.outcome === null ? {} : readOutcome(delivery.outcome).courses
  const mayHaveEffect = everLate || delivery.effect_unknown !== 0 || delivery.enrolled_at !== null
  const results = new Map<string, CourseWithdrawal>()
  const attempted = (failure: Failure | null): Attempted => ({ courses: Object.fromEntries(results), failure })
  const concerned = order.courses.filter((course) => reported[course] !== undefined || mayHaveEffect)
  for (const course of order.courses) {
    if (!concerned.includes(course)) results.set(course, { kind: 'nothing', mode: null, why: '' })
  }
  if (concerned.length === 0) return attempted(null)

  // In this order: a buyer who activates an account in between still has the allowance, and the account too.
  const allowances = await context.lms.allowances(await context.acquire(), { email })
  if (!allowances.ok) return attempted(allowances.failure)
  const account = await context.lms.account(email)
  if (!account.ok) return attempted(account.failure)
  const person = { ...context, email, account: account.value, allowances: allowances.value }
  const reason = `Lernito ${delivery.id}`
  for (const course of concerned) {
    if (await isSoldAgain(course)) {
      results.set(course, { kind: 'nothing', mode: null, why: SOLD_AGAIN })
      continue
    }
    const wasEnrolled = reported[course] === 'enrolled'
    const withdrawn = await withdrawCourse({ ...person, course, wasEnrolled, paid: order.paid, reason })
    if ('done' in withdrawn) results.set(course, withdrawn.done)
    else if (withdrawn.failure.kind !== 'refused') return attempted(withdrawn.failure)
    else results.set(course, { kind: 'kept', mode: null, why: withdrawn.failure.message })
  }
  return attempted(null)
}
