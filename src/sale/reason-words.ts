import { z } from 'zod'
import { REASONS, type Reason, type ReasonCode, withSubject } from './reasons.ts'

/** Returns why a delivery did not succeed in a few words, for lists. */
export const reasonName = (code: ReasonCode): string => REASONS[code].name

/** Returns what a reason is about, for people: field errors in words. */
export const subjectText = ({ code, subject }: Reason): string =>
  REASONS[code].subject === 'field_errors' ? fieldErrorsText(subject) : subject

/** Returns why a delivery did not succeed, as a part of a sentence, with what the reason is about. */
export function reasonText(reason: Reason): string {
  const { text, subject } = REASONS[reason.code]
  const about = subjectText(reason).replace(/\.$/, '')
  if (subject === 'course_key') return withSubject(text, about)
  return subject === 'nothing' || about === '' ? text : `${text}: ${about}`
}

/** The same as a sentence. */
export function reasonSentence(reason: Reason): string {
  const text = reasonText(reason)
  const isKey = REASONS[reason.code].text.startsWith('{')
  return `${isKey ? text : text.charAt(0).toUpperCase() + text.slice(1)}.`
}

/**
 * The same as reasonText, of many deliveries and without personal data.
 * @param course the key of a course that exists or could exist; '' if it is not known or the deliveries have several
 */
export function reasonOfMany(code: ReasonCode, course: string): string {
  const { text, many } = REASONS[code]
  return course === '' ? (many ?? withSubject(text, 'the course')) : withSubject(text, course)
}

const messages = z.array(z.string())
const schema = z.record(z.string(), z.union([messages, z.record(z.string(), messages)]))

/**
 * Writes the subject of the reason payload.invalid in one line, such as `email: Enter a valid email address`. An entry of
 * a list gets its number, from 1. A subject that this program did not write is returned as it is.
 */
function fieldErrorsText(subject: string): string {
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
