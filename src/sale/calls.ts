import { z } from 'zod'

/** At most this many calls of an attempt are stored, so that a sale of very many courses doesn't fill its timeline. */
const STORED_MAX = 20

const noteSchema = z.object({
  api: z.enum(['bulk_enroll', 'enrollments/modify', 'single']),
  people: z.number(),
  status: z.number().nullable(),
  ms: z.number(),
})

/**
 * A call to the LMS in an attempt. `single`: the calls for one person and one course, with their waits for the call
 * budget. `people`: how many people a batch enrolled. `status`: the HTTP status, or null if there was no answer, or several.
 */
export type CallNote = Readonly<z.infer<typeof noteSchema>>

/** Writes the calls of an attempt for its event; null if there was none. */
export const writeCalls = (calls: readonly CallNote[]): string | null =>
  calls.length === 0 ? null : JSON.stringify(calls.slice(0, STORED_MAX))

/** Reads what writeCalls wrote; empty if it can't be read. */
export function readCalls(text: string | null): readonly CallNote[] {
  if (text === null) return []
  try {
    return z.array(noteSchema).parse(JSON.parse(text))
  } catch {
    return []
  }
}
