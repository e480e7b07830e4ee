import type { Answer } from './answers.ts'
import type { Tally } from './state.ts'

/** 'measured': an LMS of two workers that takes its time, as measured. 'none': it answers at once. */
export type Cost = 'none' | 'measured'
export type Workers = ReturnType<typeof createWorkers>

const workerCount = 2

const CALL_MS = 20
const NEW_ALLOWANCE_MS = 4.1
/** By two calls at once, which slow each other down here; one call at a time takes some 14.5 ms a person. */
const NEW_ENROLLMENT_MS = 20
const ALREADY_MS = 4

/** What a call costs by the rows that it answers with, in place of CALL_MS (recorded: lms-newer/costs-lists.json). */
const LOOK_UPS = new Map<string, { callMs: number; rowMs: number }>([
  ['/api/user/v1/accounts', { callMs: 9, rowMs: 2.4 }],
  ['/api/enrollment/v1/enrollments', { callMs: 12, rowMs: 0.34 }],
  ['/api/enrollment/v1/enrollment/{username},{course_id}', { callMs: 12, rowMs: 0 }],
  ['/api/enrollment/v1/enrollment_allowed/', { callMs: 8, rowMs: 0 }],
])

/** Whether the cost of this view's calls depends on their answers. Such a view is run on trial: it may change rows alone. */
export const costsByAnswer = (pattern: string): boolean => LOOK_UPS.has(pattern)

/**
 * Milliseconds that a call holds a worker, by its view, by what it changes, and by its answer; null: it was refused
 * before its view ran (test/recordings/README.md, 'Cost of a call').
 */
export function callCost({
  pattern,
  tally: { newEnrollments, newAllowances, already },
  answer,
}: {
  pattern: string
  tally: Tally
  answer: Answer | null
}): number {
  const lookUp = answer === null ? undefined : LOOK_UPS.get(pattern)
  const callMs = lookUp === undefined ? CALL_MS : lookUp.callMs + lookUp.rowMs * countRows(answer?.body)
  return callMs + NEW_ALLOWANCE_MS * newAllowances + NEW_ENROLLMENT_MS * newEnrollments + ALREADY_MS * already
}

/** The LMS answers rows as a list, or as a page with a list of `results`. */
function countRows(body: unknown): number {
  const rows = typeof body === 'object' && body !== null && 'results' in body ? body.results : body
  return Array.isArray(rows) ? rows.length : 0
}

/** The LMS's workers. `enter` waits in a queue for a free one; what it returns gives it back. */
export function createWorkers({ cost }: { cost: Cost }) {
  const queue: (() => void)[] = []
  let free = workerCount

  async function enter(): Promise<() => void> {
    if (cost === 'none') return () => {}
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => queue.push(resolve))
    return () => {
      const next = queue.shift()
      if (next) next()
      else free += 1
    }
  }

  return { enter, measured: cost === 'measured' }
}
