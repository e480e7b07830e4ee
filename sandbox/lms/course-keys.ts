/** A course key that the LMS can read. `id` is the spelling that it stores, without branch and version. */
export type CourseKey = { id: string; org: string; number: string; deprecated: boolean }

const part = '[\\p{L}\\p{N}_\\-~.:]+'
const courseV1 = new RegExp(
  `^course-v1:(${part})\\+(${part})\\+(${part})((?:\\+branch@${part})?(?:\\+version@[a-f0-9]+)?)$`,
  'u',
)
const ccxV1 = new RegExp(`^ccx-v1:(${part})\\+(${part})\\+(${part})\\+ccx@[0-9]+$`, 'u')
const libraryV1 = new RegExp(`^library-v1:(${part})\\+(${part})(?:\\+(${part}))?$`, 'u')
const oldStyle = /^([\p{L}\p{N}_\-~.%]+)\/([\p{L}\p{N}_\-~.%]+)\/([\p{L}\p{N}_\-~.%]+)$/u

/**
 * Parses a course key as CourseKey.from_string does: course-v1, ccx-v1, library-v1 and the old org/course/run.
 * Returns null if the text isn't a course key. `id` has no branch and version, because no table keeps them.
 */
export function parseCourseKey(text: string): CourseKey | null {
  const course = courseV1.exec(text)
  if (course) {
    const [, org = '', number = '', run = ''] = course
    return { id: `course-v1:${org}+${number}+${run}`, org, number, deprecated: false }
  }
  const other = ccxV1.exec(text) ?? libraryV1.exec(text)
  if (other) return { id: text, org: other[1] ?? '', number: other[2] ?? '', deprecated: false }
  const old = oldStyle.exec(text)
  if (old) return { id: text, org: old[1] ?? '', number: old[2] ?? '', deprecated: true }
  return null
}

/**
 * Whether the LMS routes a path segment to a course view: three parts joined by + or /.
 * Any other segment gets the HTML 404 (recorded: courses.json, 'a malformed key' and 'a library key').
 */
export function looksLikeCourseKey(text: string): boolean {
  return /^[^/+]+[/+][^/+]+[/+][^/?]+$/.test(text)
}
