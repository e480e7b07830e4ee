import type { Outcome, Reason } from './types.ts'

/** An outcome in one line, for timelines and operators. */
export function words({ courses, reason }: Outcome): string {
  const results = Object.entries(courses).map(([course, result]) => `${result} in ${course}`)
  const why = reason === null ? [] : [reasonWords(reason)]
  return [...results, ...why].join('; ')
}

const WORDS = {
  'payload.invalid': (subject) => `the payload is invalid: ${subject}`,
  'course_key.malformed': (subject) => `${subject} is not a course key`,
  'course.missing': (subject) => `the LMS has no course ${subject}`,
  'person.retired': () => 'the address belongs to a retired account',
  'person.unenrolled': (subject) => `unenrolled from ${subject} in the LMS since the sale`,
  'person.other_account': (subject) => `the LMS matches the address to an account with another address, ${subject}`,
  'lms.refused': (subject) => `the LMS refused: ${subject}`,
  'retries.exhausted': (subject) => `given up after the last try: ${subject}`,
  'row.unreadable': (subject) => `the stored row can't be read: ${subject}`,
} as const satisfies Record<Reason['code'], (subject: string) => string>

const reasonWords = ({ code, subject }: Reason): string => WORDS[code](subject)
