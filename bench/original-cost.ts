/**
 * How long the original occupies one of the LMS's two workers for a webhook of one course, in ms. It is the fastest
 * recorded time (272 and 84 enrollments a second: test/recordings/README.md), so that the model is not slower than the
 * original.
 */
export const ORIGINAL_MS = { unknown: 7.4, existing: 24 } as const

const WORKERS = 2

/** Returns the seconds that the original's model takes to enroll this number of unknown people in one course each. */
export const secondsOfOriginal = (enrollments: number): number => (enrollments * ORIGINAL_MS.unknown) / WORKERS / 1000
