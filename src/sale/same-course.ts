import { courseIdentity } from './course-key.ts'

/**
 * Whether a course key as it was sent means this true key. The LMS finds a course by a key in another letter case, or
 * with a branch or a version, and answers with the true key.
 */
export const isSameCourse = (sent: string, found: string): boolean => courseIdentity(sent) === courseIdentity(found)
