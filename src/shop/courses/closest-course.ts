/** A key that differs from another in at most this share of its characters is probably a typing error. */
const SIMILAR = 0.2

/**
 * The key of an existing course that a key without a course was probably meant to be: the one that takes the fewest
 * changed characters, letter case aside. A course with the same organization and number is similar whatever its run is.
 * null if none is similar.
 * @param of.keys the keys of the existing courses
 */
export function closestCourse({ key, keys }: { key: string; keys: readonly string[] }): string | null {
  const [wanted, most] = [key.toLowerCase(), Math.ceil(key.length * SIMILAR)]
  let best: { key: string; distance: number } | null = null
  for (const candidate of keys) {
    const other = candidate.toLowerCase()
    const isOtherRun = withoutRun(wanted) === withoutRun(other)
    // Comparing takes 10 µs, and an LMS may have thousands of courses.
    if (!isOtherRun && Math.abs(wanted.length - other.length) > most) continue
    const distance = editDistance(wanted, other)
    if ((isOtherRun || distance <= most) && (best === null || distance < best.distance)) {
      best = { key: candidate, distance }
    }
  }
  return best?.key ?? null
}

const withoutRun = (key: string): string => key.split(/[+/]/).slice(0, 2).join('+')

/** The number of characters to insert, delete or replace (Levenshtein). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
