/**
 * How long the original occupies one of the LMS's two workers for a webhook of one course, in ms. It is the fastest
 * recorded time (272 and 84 enrollments a second: test/recordings/README.md), so that it is not computed slower than
 * it is.
 */
export const ORIGINAL_MS = { unknown: 7.4, existing: 24 } as const

const WORKERS = 2

/**
 * Returns the seconds that the original takes, by these times, to enroll this number of people in one course each.
 * `ms`: for one of them; that of unknown people if it is left out.
 */
export const secondsOfOriginal = (enrollments: number, ms: number = ORIGINAL_MS.unknown): number =>
  (enrollments * ms) / WORKERS / 1000
