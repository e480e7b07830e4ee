import type { Certificate } from '../lms/achievements.ts'
import { type Answer, errorPage, forbidden, timestamp } from '../lms/answers.ts'
import { looksLikeCourseKey, parseCourseKey } from '../lms/course-keys.ts'
import type { Lms } from '../lms/lms.ts'
import type { Person } from '../lms/people.ts'
import type { Course } from '../lms/world.ts'
import { readFilters } from './enrollment-list-api.ts'
import type { Call, View, Visit } from './view.ts'

const pageSize = 50
const passing = ['downloadable', 'generating']
const shared = { accepts: 'jwt_or_bearer', throttled: false } as const
const certified = {
  ...shared,
  access: ({ caller, params }: Visit) =>
    caller.staff || caller.username === params.username ? null : forbidden('detail'),
  errors: 'detail',
} as const
const isUsername = (text = ''): boolean => /^[\p{L}\p{N}_ .@+-]+$/u.test(text)

/** The APIs of grades and certificates, as far as the service asks them. Rules: recordings, outcomes.json. */
export const achievementViews: View[] = [
  {
    ...shared,
    url: '/api/grades/v1/section_grades_breakdown/',
    access: 'staff',
    errors: 'developer_message',
    handlers: { GET: listGrades },
  },
  {
    ...shared,
    url: '/api/grades/v1/courses/*',
    pattern: '/api/grades/v1/courses/{course_id}/',
    access: 'staff',
    errors: 'developer_message',
    serves: ({ params }) => looksLikeCourseKey(courseOf(params['*'])),
    handlers: { GET: readGrade },
  },
  {
    ...certified,
    url: '/api/certificates/v0/certificates/:username/courses/*',
    pattern: '/api/certificates/v0/certificates/{username}/courses/{course_id}/',
    serves: ({ params }) => isUsername(params.username) && looksLikeCourseKey(courseOf(params['*'])),
    handlers: { GET: readCertificate },
  },
  {
    ...certified,
    url: '/api/certificates/v0/certificates/:username/',
    pattern: '/api/certificates/v0/certificates/{username}/',
    serves: ({ params }) => isUsername(params.username),
    handlers: { GET: listCertificates },
  },
]

/** The paths end with a slash. */
const courseOf = (rest = ''): string => rest.replace(/\/$/, '')

/** The grades in active enrollments, oldest first, with one section each. The stand-in has only the first page. */
function listGrades({ query, context, lms }: Call): Answer {
  const filters = readFilters(query)
  if ('status' in filters) return filters
  const { state } = context
  const rows = state.listEnrollments().flatMap(({ personId, course, active }) => {
    const person = state.findPerson({ id: personId })
    if (!active || !person) return []
    const { username, email } = person
    if (!filters.match({ course, username, email })) return []
    const { passed, percent } = lms.achievements.grade(personId, course)
    const exam = { category: 'Final Exam', detail: `Final Exam = ${(percent * 100).toFixed(2)}%`, label: 'Final' }
    const current_grade = Math.trunc(percent * 100)
    const section_breakdown = [{ ...exam, percent, prominent: true }]
    return [{ course_id: course, username, passed, current_grade, section_breakdown }]
  })
  const size = Number(query.get('page_size') ?? pageSize)
  const next = rows.length > size ? 'http://lms.test/api/grades/v1/section_grades_breakdown/?cursor=more' : null
  return { status: 200, body: { next, previous: null, results: rows.slice(0, size) } }
}

function readGrade({ params, query, context: { state }, lms }: Call): Answer {
  const refuse = (error_code: string, developer_message: string): Answer => {
    return { status: 404, body: { developer_message, error_code } }
  }
  const course = state.findCourse(courseOf(params['*']))
  if (!course)
    return refuse(
      'course_does_not_exist',
      `Requested grade for unknown course ${parseCourseKey(courseOf(params['*']))?.id}`,
    )
  const person = state.findPerson({ username: query.get('username') ?? '' })
  if (!person) return refuse('user_does_not_exist', 'The user matching the requested username does not exist.')
  if (!state.enrollment(person.id, course.id)) {
    return refuse('user_not_enrolled', 'The user matching the requested username is not enrolled in this course')
  }
  const { passed, percent } = lms.achievements.grade(person.id, course.id)
  const letter_grade = passed ? 'Pass' : null
  const { username } = person
  return { status: 200, body: [{ username, email: '', course_id: course.id, passed, percent, letter_grade }] }
}

/** Of a course that was deleted, there is none. */
function readCertificate({ params, context: { state }, lms }: Call): Answer {
  const parsed = parseCourseKey(courseOf(params['*']))
  if (!parsed) return errorPage(404)
  const person = state.findPerson({ username: params.username ?? '' })
  const course = state.findCourse(parsed.id)
  const found = person && course && lms.achievements.certificate(person.id, course.id)
  if (!found) return { status: 404, body: { error_code: 'no_certificate_for_user' } }
  return { status: 200, body: certificate({ lms, person, course, found, username: params.username ?? '' }) }
}

/** Those that count and can be seen now; none for nobody. */
function listCertificates({ params, context: { state, now }, lms }: Call): Answer {
  const username = params.username ?? ''
  const person = state.findPerson({ username })
  const body = (person ? state.courses() : []).flatMap((course) => {
    const found = person && lms.achievements.certificate(person.id, course.id)
    const { certificates_from: from } = course
    const isShown = from === undefined || Date.parse(from) <= now
    if (!found || !passing.includes(found.status) || !isShown) return []
    return [
      {
        ...certificate({ lms, person, course, found, username }),
        course_display_name: course.name,
        course_organization: parseCourseKey(course.id)?.org ?? '',
        modified_date: timestamp(found.createdAt),
        uuid: found.uuid,
      },
    ]
  })
  return { status: 200, body }
}

function certificate(of: { lms: Lms; person: Person; course: Course; found: Certificate; username: string }) {
  const { lms, person, course, found, username } = of
  const { status, uuid, createdAt } = found
  return {
    username,
    course_id: course.id,
    certificate_type: lms.state.enrollment(person.id, course.id)?.mode ?? 'honor',
    created_date: timestamp(createdAt),
    status,
    is_passing: passing.includes(status),
    download_url: status === 'downloadable' ? `/certificates/${uuid}` : null,
    grade: String(lms.achievements.grade(person.id, course.id).percent),
  }
}
