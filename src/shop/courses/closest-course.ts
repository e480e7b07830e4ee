/** A key that differs from another in at most this share of its characters is probably a typing error. */
const SIMILAR = 0.2

/**
 * The key of an existing course that a key without a course was probably meant to be: the one that takes the fewest
 * changed characters, letter case aside. A course with the same organization and number is similar whatever its run is.
 * null if none is similar.
 * @param of.keys the keys of the existing courses
 */
export function closestCourse({ key, keys }: { key: string; keys: readonly string[] }): string | null {
  let best: { key: string; distance: number } | null = null
  for (const candidate of keys) {
    const distance = editDistance(key.toLowerCase(), candidate.toLowerCase())
    const isSimilar = distance <= Math.ceil(key.length * SIMILAR) || isOtherRun(key, candidate)
    if (isSimilar && (best === null || distance < best.distance)) best = { key: candidate, distance }
  }
  return best?.key ?? null
}

function isOtherRun(a: string, b: string): boolean {
  const course = (key: string): string => key.toLowerCase().split(/[+/]/).slice(0, 2).join('+')
  return course(a) === course(b)
}

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
