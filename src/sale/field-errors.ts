import { z } from 'zod'

const messages = z.array(z.string())
const schema = z.record(z.string(), z.union([messages, z.record(z.string(), messages)]))

/**
 * Writes the subject of the reason payload.invalid in one line, such as `email: Enter a valid email address`. An entry of
 * a list gets its number, from 1. A subject that this program did not write is returned as it is.
 */
export function fieldErrorsText(subject: string): string {
  const read = schema.safeParse(parsed(subject))
  if (!read.success) return subject
  const parts = Object.entries(read.data).flatMap(([field, problems]) =>
    Array.isArray(problems)
      ? [line(field, problems)]
      : Object.entries(problems).map(([index, some]) => line(`${field}, entry ${Number(index) + 1}`, some)),
  )
  return parts.join('; ')
}

const line = (field: string, problems: readonly string[]): string =>
  `${field}: ${problems.map((problem) => problem.replace(/\.$/, '')).join(', ')}`

/** The reason's subject is JSON that this service wrote. */
function parsed(subject: string): unknown {
  try {
    return JSON.parse(subject)
  } catch {
    return null
  }
}
