import { reasonText } from './reason-words.ts'
import type { CourseResult, Outcome, Standing, Standings } from './types.ts'

/** An allowance is the LMS's word for it. Everywhere else, a delivery with one is called pre-enrolled. */
const RESULT_WORDS = { enrolled: 'enrolled', allowed: 'pre-enrolled' } as const satisfies Record<CourseResult, string>

/** Describes an outcome in one line, for timelines and operators. */
export function describeOutcome({ courses, reason }: Outcome): string {
  const results = Object.entries(courses).map(([course, result]) => `${RESULT_WORDS[result]} in ${course}`)
  const why = reason === null ? [] : [reasonText(reason)]
  return [...results, ...why].join('; ')
}

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
