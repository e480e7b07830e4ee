/** Upper bounds of the buckets that count the times to enrollment, in seconds. One more bucket is above the last bound. */
const BOUNDS = [
  0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400,
  172_800, 345_600,
]
const PREFIX = 'seconds_to_enrollment_le_'

/** The name of the counter for a delivery's time from received to the first success (ms). There are 27 counters. */
export function timeToEnrollmentCounter(timeToEnrollmentMs: number): string {
  const bound = BOUNDS.find((seconds) => timeToEnrollmentMs <= seconds * 1000) ?? 'inf'
  return PREFIX + bound
}

/**
 * Median and p95 in seconds, from the counters of any number of days. Values are interpolated within a bucket; above the
 * last bound, the result is that bound. null if nothing was counted.
 */
export function timeToEnrollmentSummary(
  counters: Iterable<{ readonly name: string; readonly count: number }>,
): { median: number; p95: number; count: number } | null {
  const counts = new Map<string, number>()
  for (const { name, count } of counters) {
    if (name.startsWith(PREFIX)) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const quantile = (share: number): number => {
    let below = 0
    for (const [i, bound] of BOUNDS.entries()) {
      const inside = counts.get(PREFIX + bound) ?? 0
      const wanted = share * total - below
      const from = BOUNDS[i - 1] ?? 0
      if (inside >= wanted && inside > 0) return from + (bound - from) * (Math.max(0, wanted) / inside)
      below += inside
    }
    return BOUNDS.at(-1) ?? 0
  }
  return { median: quantile(0.5), p95: quantile(0.95), count: total }
}
