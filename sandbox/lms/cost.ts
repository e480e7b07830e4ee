import type { Answer } from './answers.ts'
import type { Tally } from './transactions.ts'

/** 'measured': the LMS has two workers, and calls take as long as measured. 'none': it answers at once. */
export type Cost = 'none' | 'measured'
export type Workers = ReturnType<typeof createWorkers>

const workerCount = 2

const CALL_MS = 20
const NEW_ALLOWANCE_MS = 4.1
/** For two calls at a time, which slow each other down. One call at a time takes about 14.5 ms a person. */
const NEW_ENROLLMENT_MS = 20
const UNCHANGED_MS = 4
const MAIL_MS = 12

/** The cost of calls of these views instead of CALL_MS (recorded: lms-newer/costs-2.json, where modify takes longer). */
const CALLS = new Map<string, number>([['/api/instructor/v2/courses/{course_id}/enrollments/modify', 30]])

/**
 * The cost of calls that depends on the rows in the answer, instead of CALL_MS (recorded: lms-newer/costs-lists.json).
 * `askedMs` is for each address that the call names.
 */
const LOOK_UPS = new Map<string, { callMs: number; rowMs: number; askedMs?: number }>([
  ['/api/user/v1/accounts/search_emails', { callMs: 9, rowMs: 0.055, askedMs: 0.0016 }],
  ['/api/user/v1/accounts', { callMs: 9, rowMs: 2.4 }],
  ['/api/enrollment/v1/enrollments', { callMs: 12, rowMs: 0.34 }],
  ['/api/enrollment/v1/enrollment/{username},{course_id}', { callMs: 12, rowMs: 0 }],
  ['/api/enrollment/v1/enrollment_allowed/', { callMs: 8, rowMs: 0 }],
])

/** Whether the cost of this view's calls depends on their answers. Its handlers run twice, so they may change only rows. */
export const costsByAnswer = (pattern: string): boolean => LOOK_UPS.has(pattern)

/**
 * How long a call holds a worker, ms, by its view, its changes, the mails that it sends, the number of addresses that it
 * asks for and its answer. A null answer means that the call was refused before its view ran (test/recordings/README.md,
 * 'Cost of a call').
 */
export function callCost({
  pattern,
  tally: { newEnrollments, newAllowances, unchanged },
  mails = 0,
  asked = 0,
  answer,
}: {
  pattern: string
  tally: Tally
  mails?: number
  asked?: number
  answer: Answer | null
}): number {
  const people = NEW_ALLOWANCE_MS * newAllowances + NEW_ENROLLMENT_MS * newEnrollments + UNCHANGED_MS * unchanged
  const lookUp = answer === null ? undefined : LOOK_UPS.get(pattern)
  if (lookUp === undefined) return (CALLS.get(pattern) ?? CALL_MS) + people + MAIL_MS * mails
  const { callMs, rowMs, askedMs = 0 } = lookUp
  return callMs + rowMs * countRows(answer?.body) + askedMs * asked
}

/** The LMS answers with a list of rows, or with a page that has a list of `results`. */
function countRows(body: unknown): number {
  const rows = typeof body === 'object' && body !== null && 'results' in body ? body.results : body
  return Array.isArray(rows) ? rows.length : 0
}

/** The LMS's workers. `acquire` waits in a queue for a free one; the returned function releases it. */
export function createWorkers({ cost }: { cost: Cost }) {
  const queue: (() => void)[] = []
  let free = workerCount

  async function acquire(): Promise<() => void> {
    if (cost === 'none') return () => {}
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => queue.push(resolve))
    return () => {
      const next = queue.shift()
      if (next) next()
      else free += 1
    }
  }

  return { acquire, measured: cost === 'measured' }
}
