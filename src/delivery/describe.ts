import { fieldErrorsText } from './field-errors.ts'
import type { Outcome, Reason, Standing, Standings } from './types.ts'

/** Describes an outcome in one line, for timelines and operators. */
export function describeOutcome({ courses, reason }: Outcome): string {
  const results = Object.entries(courses).map(([course, result]) => `${result} in ${course}`)
  const why = reason === null ? [] : [describeReason(reason)]
  return [...results, ...why].join('; ')
}

const DESCRIPTIONS = {
  'payload.invalid': (subject) => `the payload is invalid: ${fieldErrorsText(subject)}`,
  'course_key.malformed': (subject) => `${subject} is not a course key`,
  'course.missing': (subject) => `the LMS has no course ${subject}`,
  'person.retired': () => 'the address belongs to a retired account',
  'person.unenrolled': (subject) => `unenrolled from ${subject} in the LMS since the sale`,
  'person.other_account': (subject) => `the LMS matches the address to an account with another address, ${subject}`,
  'enrollment.missing': (subject) => `the buyer has an active account, and the LMS has no enrollment in ${subject}`,
  'course.mode_missing': (subject) => `${subject} does not have the course mode that LERNITO_COURSE_MODE names`,
  'lms.refused': (subject) => `the LMS refused: ${subject}`,
  'retries.exhausted': (subject) => `retries exhausted: ${subject}`,
  'row.unreadable': (subject) => `the stored row can't be read: ${subject}`,
} as const satisfies Record<Reason['code'], (subject: string) => string>

const describeReason = ({ code, subject }: Reason): string => DESCRIPTIONS[code](subject)

const STANDING_WORDS = {
  enrolled: 'enrolled',
  no_account: 'no account',
  not_activated: 'account not activated',
  unenrolled: 'unenrolled',
  missing: 'no enrollment',
  retired: 'account retired',
  other_account: 'another address has the account',
} as const satisfies Record<Standing, string>

/** Describes standings in one line, for timelines and operators. */
export function describeStandings(standings: Standings): string {
  return Object.entries(standings)
    .map(([course, { standing, mode }]) => `${course}: ${STANDING_WORDS[standing]}${mode === null ? '' : ` (${mode})`}`)
    .join('; ')
}
