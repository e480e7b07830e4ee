import { setTimeout as delay } from 'node:timers/promises'
import type { Answered, LmsCalls } from '../console/parts.ts'
import { findCourse } from '../enroll/closest-course.ts'
import type { CallContext } from '../enroll/pair.ts'
import { whatStands } from '../enroll/withdraw/what-stands.ts'
import type { Judged } from '../lms/client/failure.ts'
import { AppError } from './lib/errors.ts'

export const NOT_STARTED = 'The service has just started, and makes no calls to the LMS yet'
/** How long a page that also has stored data waits for the LMS. */
const PAGE_WAITS_MS = 5_000

/** Answers what the console asks the LMS. `access`: null before the work has begun. */
export function createLmsCalls(access: () => CallContext | null): LmsCalls {
  async function ask<Value>(call: (context: CallContext) => Promise<Judged<Value>>): Promise<Answered<Value>> {
    const context = access()
    if (context === null) return { ok: false, message: NOT_STARTED }
    const judged = await call(context)
    return judged.ok ? { ok: true, value: judged.value } : { ok: false, message: judged.failure.message }
  }
  return {
    whatStands: (of) => ask((context) => whatStands({ ...context, ...of })),
    findCourse: (key) => ask(({ lms }) => findCourse(lms, key)),
    account: (email) => whileWaiting(ask(({ lms }) => lms.account(email))),
  }
}

/** Gives up on a slow LMS, and on a call that this replica may not make now. */
async function whileWaiting<Value>(answer: Promise<Answered<Value>>): Promise<Answered<Value>> {
  const timer = new AbortController()
  const late = delay(PAGE_WAITS_MS, null, { signal: timer.signal }).catch(() => null)
  try {
    return (await Promise.race([answer, late])) ?? { ok: false, message: 'The LMS did not answer in time' }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { ok: false, message: error.message }
  } finally {
    timer.abort()
  }
}
