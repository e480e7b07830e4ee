import { z } from 'zod'

/** A fault that the control API sets. */
export const faultSchema = z
  .strictObject({
    method: z
      .string()
      .regex(/^[A-Za-z]+$/)
      .transform((method) => method.toUpperCase())
      .optional(),
    path: z.string().startsWith('/').optional(),
    /** Only for calls with this text in the URL or the body, such as a course key or an address. */
    naming: z.string().min(1).optional(),
    status: z.int().min(200).max(599).optional(),
    times: z.int().positive().optional(),
    retryAfter: z.union([z.int().nonnegative(), z.string()]).optional(),
    delayMs: z.number().nonnegative().max(600_000).optional(),
    /** When the connection is closed. `at_once`: the call is carried out all the same, after its delay. */
    drop: z.enum(['before', 'after', 'at_once']).optional(),
    /**
     * bulk_enroll and modify run, but fail for each person in the courses that `naming` names. With a text, they answer as
     * the next releases do, and say it (recordings, lms-next/next.json).
     */
    error: z.union([z.literal(true), z.string().min(1)]).optional(),
    body: z.json().optional(),
    contentType: z.string().min(1).optional(),
  })
  .refine(
    ({ status, delayMs, drop, error, body }) =>
      [status, delayMs, drop, error, body].some((field) => field !== undefined),
    { error: 'does nothing: give it a status, a body, delayMs, error or drop' },
  )
  .refine(({ status, retryAfter }) => retryAfter === undefined || status !== undefined, {
    error: 'has retryAfter, which needs a status',
  })
  .refine(({ status, body, drop }) => drop === undefined || (status === undefined && body === undefined), {
    error: 'has drop together with status or body: a dropped connection carries no answer',
  })

export type Fault = z.infer<typeof faultSchema>
export type Faults = ReturnType<typeof createFaults>

/** Holds the faults that are set. Each call gets the first one that matches it, at most `times` times. */
export function createFaults() {
  let active: { fault: Fault; left: number }[] = []

  function add(faults: Fault[]): void {
    active.push(...faults.map((fault) => ({ fault, left: fault.times ?? Number.POSITIVE_INFINITY })))
  }

  /**
   * The fault for a call, or null. A fault may name the `path` of the call or its route's `pattern`. Faults with `naming`
   * match against `text`, which is the URL and the body. If `text` is null, because the body has not been read, only the
   * faults without `naming` match.
   */
  function match(call: { method: string; path: string; pattern: string; text: string | null }): Fault | null {
    const { method, path, pattern, text } = call
    const found = active.find(({ fault }) => {
      const { naming } = fault
      if (text === null ? naming !== undefined : naming === undefined || !text.includes(naming)) return false
      return (fault.method ?? method) === method && [path, pattern].includes(fault.path ?? path)
    })
    if (!found) return null
    found.left -= 1
    if (found.left <= 0) active = active.filter((other) => other !== found)
    return found.fault
  }

  return {
    add,
    match,
    clear: () => {
      active = []
    },
  }
}
