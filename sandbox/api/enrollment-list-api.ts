import { type Answer, timestamp } from '../lms/answers.ts'
import { fold } from '../lms/collation.ts'
import { parseCourseKey } from '../lms/course-keys.ts'
import type { Enrollment } from '../lms/enrollments.ts'
import type { Call, View } from './view.ts'

const maxPageSize = 100
const maxPeople = 100
const usernameRule = 'Usernames can only contain letters (A-Z, a-z), numerals (0-9), underscores (_), and hyphens (-).'

/** GET /api/enrollment/v1/enrollments, staff only. Rules: recordings, enrollment-v1.json and people-lists.json. */
export const enrollmentListView: View = {
  url: '/api/enrollment/v1/enrollments',
  accepts: 'jwt_or_bearer',
  access: 'staff',
  errors: 'developer_message',
  throttled: 'enrolling',
  handlers: { GET: listEnrollments },
}

type Row = Enrollment & { username: string }

/** Active and inactive enrollments, newest first, by courses, usernames and e-mail addresses, in pages with a cursor. */
function listEnrollments({ query, context, host }: Call): Answer {
  const filters = readFilters(query)
  if ('status' in filters) return filters
  const { state } = context
  const rows = state.listEnrollments().flatMap((row): Row[] => {
    const person = state.findPerson({ id: row.personId })
    // An enrollment in a course that doesn't exist is left out (recorded: sequence-modify.json, 251).
    if (!person || !state.findCourse(row.course)) return []
    const { username, email } = person
    return filters.match({ course: row.course, username, email }) ? [{ ...row, username }] : []
  })
  const page = pageOf(rows.reverse(), query)
  if (page === null) return { status: 404, body: { developer_message: 'Invalid cursor' } }
  const link = (cursor: string | null) => {
    if (cursor === null) return null
    const parameters = new URLSearchParams(query)
    parameters.set('cursor', Buffer.from(cursor).toString('base64url'))
    parameters.sort()
    return `http://${host}/api/enrollment/v1/enrollments?${parameters}`
  }
  const results = page.rows.map(({ created, mode, active, username, course }) => {
    return { created: timestamp(created), mode, is_active: active, user: username, course_id: course }
  })
  return { status: 200, body: { next: link(page.next), previous: link(page.previous), results } }
}

type Filters = { match: (row: { course: string; username: string; email: string }) => boolean }

/** Reads the filters of a call; any wrong one refuses the whole call. */
export function readFilters(query: URLSearchParams): Filters | Answer {
  const courseId = query.get('course_id')
  const key = courseId ? parseCourseKey(courseId) : null
  if (courseId && !key) return wrong('course_id', `'${courseId}' is not a valid course id.`)
  const usernames = query
    .get('username')
    ?.split(',')
    .map((name) => name.trim())
  if (usernames?.some((name) => !/^[\w-]+$/.test(name))) return wrong('username', usernameRule)
  // White space stays in an address (recorded: people-lists.json, 'a blank after the comma').
  const emails = query.get('email')?.split(',')
  for (const [field, items] of Object.entries({ username: usernames, email: emails })) {
    const count = items?.length ?? 0
    const what = `Too many ${field}s in a single request - ${count}. A maximum of ${maxPeople} is allowed`
    if (count > maxPeople) return wrong(field, what)
  }
  const courseTexts = query.get('course_ids')?.split(',').map(fold)
  const [names, addresses] = [usernames, emails].map((items) => items && new Set(items.map(fold)))
  return {
    match: ({ course, username, email }) => {
      if (key && fold(course) !== fold(key.id)) return false
      if (courseTexts && !courseTexts.some((text) => fold(course).includes(text))) return false
      return (!names || names.has(fold(username))) && (!addresses || addresses.has(fold(email)))
    },
  }
}

function wrong(field: string, developer_message: string): Answer {
  return { status: 400, body: { field_errors: { [field]: { developer_message } } } }
}

/**
 * The page of a call: the rows after its cursor or, with `r=1` in the cursor, the rows before it. `next` and `previous` are
 * cursors, or null. Returns null for a wrong cursor.
 */
function pageOf(
  rows: Row[],
  query: URLSearchParams,
): { rows: Row[]; next: string | null; previous: string | null } | null {
  const asked = Number(query.get('page_size'))
  const size = asked >= 1 ? Math.min(Math.floor(asked), maxPageSize) : maxPageSize
  const given = query.get('cursor')
  const cursor = /^(r=1&)?p=(\d+)$/.exec(given === null ? `p=${Number.MAX_SAFE_INTEGER}` : decode(given))
  if (cursor === null) return null
  const position = Number(cursor[2])
  const before = cursor[1] !== undefined
  const kept = before
    ? rows.filter(({ id }) => id > position).slice(-size)
    : rows.filter(({ id }) => id < position).slice(0, size)
  const [first, last] = [kept.at(0), kept.at(-1)]
  return {
    rows: kept,
    next: last && rows.at(-1) !== last ? `p=${last.id}` : null,
    previous: first && rows.at(0) !== first ? `r=1&p=${first.id}` : null,
  }
}

const decode = (cursor: string) => Buffer.from(cursor, 'base64url').toString()
