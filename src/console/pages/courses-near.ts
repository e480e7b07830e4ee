import { closestCourse } from '../../enroll/closest-course.ts'
import type { Catalogue } from '../../shop/courses/catalogue.ts'

/** Comparing a key with 2,000 others takes some 20 ms, so one page compares only a few; the others follow. */
const COMPARED_MAX = 5

/**
 * Returns a function that finds the existing key that each of these missing keys looks like. It keeps what it has found
 * until the catalogue changes.
 */
export function createNearKeys(): (catalogue: Catalogue, missing: readonly string[]) => ReadonlyMap<string, string> {
  let version = -1
  let known = new Map<string, string | null>()
  return (catalogue, missing) => {
    if (catalogue.version !== version) known = new Map()
    version = catalogue.version
    const keys = catalogue.courses.map(({ key }) => key)
    const unknown = missing.filter((key) => !known.has(key))
    for (const key of unknown.slice(0, COMPARED_MAX)) known.set(key, closestCourse({ key, keys }))
    return new Map(
      missing.flatMap((key) => {
        const near = known.get(key) ?? null
        return near === null ? [] : [[key, near]]
      }),
    )
  }
}
