import type { startRecordedWorld } from './recording.ts'

export type Lms = Awaited<ReturnType<typeof startRecordedWorld>>
export const demo = 'course-v1:edX+DemoX+Demo_Course'
export const bulkPath = '/api/bulk_enroll/v1/bulk_enroll'

/** POSTs JSON; `token` is a JWT. */
export function post({ url, path, json, token }: { url: string; path: string; json: unknown; token?: string }) {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `JWT ${token}` } : {}) }
  return fetch(url + path, { method: 'POST', headers, body: JSON.stringify(json) })
}

/** One bulk call of the staff application that enrolls these people in these courses (one by default). */
export function bulk(lms: Lms, identifiers: string[], courses = [demo]) {
  const json = { action: 'enroll', auto_enroll: true, courses: courses.join(','), identifiers: identifiers.join(',') }
  return post({ url: lms.url, path: bulkPath, json, token: lms.staff })
}

/** The path of enrollments/modify of a course. */
export const modifyPath = (course = demo) => `/api/instructor/v2/courses/${course}/enrollments/modify`

/** One modify call of the staff application that enrolls these people in a course. */
export function modify(lms: Lms, identifier: string[], course = demo) {
  const json = { action: 'enroll', auto_enroll: true, identifier }
  return post({ url: lms.url, path: modifyPath(course), json, token: lms.staff })
}

/** GETs with the staff application's token. */
export function get(lms: Lms, path: string, token = lms.staff) {
  return fetch(lms.url + path, { headers: { authorization: `JWT ${token}` }, redirect: 'manual' })
}

export function control(lms: { url: string }, path: string, json?: unknown, method = 'POST') {
  return fetch(`${lms.url}/sandbox/${path}`, { method, body: json === undefined ? null : JSON.stringify(json) })
}
