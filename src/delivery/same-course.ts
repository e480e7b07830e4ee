/**
 * Whether a course key as it was sent means this true key. The LMS finds a course by a key in another letter case, or
 * with a branch or a version, and answers with the true key.
 */
export function isSameCourse(sent: string, found: string): boolean {
  const plain = (key: string): string => key.replace(/\+(branch|version)@[^+]+/g, '').toLowerCase()
  return plain(sent) === plain(found)
}
