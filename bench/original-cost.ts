/**
 * How long the original holds one of the LMS's two workers for a webhook of one course, in ms. The fastest that was
 * recorded counts (272 and 84 enrollments a second: test/recordings/README.md), so that the model is not slower than
 * the original.
 */
export const ORIGINAL_MS = { unknown: 7.4, existing: 24 } as const

const WORKERS = 2

/** How many seconds the original's model takes for so many unknown people who bought one course each. */
export const secondsOfOriginal = (enrollments: number): number => (enrollments * ORIGINAL_MS.unknown) / WORKERS / 1000
