import { plainKey } from '../../sale/course-key.ts'

/**
 * The key of an existing course that a key without a course was probably meant to be: the one that takes the fewest
 * changed characters, letter case aside. Each part of it has to be similar, because most courses of a shop share their
 * organization and their year. A course with the same organization and number is similar whatever its run is. null if
 * none is similar.
 * @param of.keys the keys of the existing courses
 */
export function closestCourse({ key, keys }: { key: string; keys: readonly string[] }): string | null {
  const written = withoutUrlCode(key)
  const wanted = partsOf(written)
  let best: { key: string; distance: number } | null = null
  for (const candidate of keys) {
    const other = partsOf(candidate)
    if (!isOtherRun(wanted, other) && !areSimilar(wanted, other)) continue
    const distance = editDistance(written.toLowerCase(), candidate.toLowerCase())
    if (best === null || distance < best.distance) best = { key: candidate, distance }
  }
  return best?.key ?? null
}

/** The key as it was before a shop encoded it for a URL, or decoded it, which makes a plus a space. */
const withoutUrlCode = (key: string): string =>
  key
    .replace(/%2b|%20| /gi, '+')
    .replace(/%3a/gi, ':')
    .replace(/%2f/gi, '/')

/** Organization, number and run, and what comes before them. */
const partsOf = (key: string): string[] => plainKey(key).toLowerCase().split(/[:+/]/)

const isOtherRun = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.length > 2 && a.slice(0, -1).join() === b.slice(0, -1).join()

/** So many wrong characters, and so large a share of a part, are probably typing errors. */
const [WRONG_MAX, SIMILAR] = [2, 0.4]

const areSimilar = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length &&
  a.every((part, index) => {
    const [other = '', most] = [b[index], Math.min(WRONG_MAX, Math.floor(part.length * SIMILAR))]
    // Comparing takes some µs, and an LMS may have thousands of courses.
    return Math.abs(part.length - other.length) <= most && editDistance(part, other) <= most
  })

/** The number of characters to insert, delete or replace (Levenshtein). */
function editDistance(a: string, b: string): number {
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
