import type { Answered, LmsCalls } from '../console/lms-calls.ts'
import { findCourse } from '../enrollment/closest-course.ts'
import type { CallContext } from '../enrollment/pair.ts'
import type { Judged } from '../openedx/failure.ts'
import { whatStands } from '../withdrawal/what-stands.ts'

const NOT_STARTED = 'The service has just started, and makes no calls to the LMS yet'

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
  }
}
