import { readWorld } from './lms/world.ts'

/**
 * The default world, with the applications, people and courses of the README's examples. It equals
 * test/recordings/lms/world.json; a test checks that.
 */
export const defaultWorld = readWorld({
  staff_service_user: 'lernito_service',
  applications: [
    {
      client_id: 'lernito-client',
      client_secret: 'lernito-client-secret',
      grant: 'client-credentials',
      user: 'lernito_service',
      staff: true,
    },
    {
      client_id: 'plain-client',
      client_secret: 'plain-client-secret',
      grant: 'client-credentials',
      user: 'plain_service',
      staff: false,
    },
    {
      client_id: 'console-client',
      client_secret: 'console-client-secret',
      grant: 'authorization-code',
      redirect_uri: 'http://127.0.0.1:8080/console/callback',
      staff: null,
    },
  ],
  people: [
    { username: 'alice', email: 'alice@example.com', active: true },
    { username: 'bob_inactive', email: 'bob@example.com', active: false },
    { username: 'dave', email: 'Dave@Example.com', active: true },
    { username: 'erin', email: 'erin@example.com', active: true },
    { username: 'frank', email: 'frank@example.com', active: true },
    { username: 'grace', email: 'grace@example.com', active: true },
    { username: 'heidi', email: 'heidi@example.com', active: true },
    { username: 'jose', email: 'jose@example.com', active: true },
    { username: 'admin', email: 'admin@lms.test', active: true, staff: true, superuser: true },
  ],
  retired_emails: ['retired@example.com'],
  courses: [
    { id: 'course-v1:edX+DemoX+Demo_Course', name: 'Demonstration Course' },
    { id: 'course-v1:CodeTherapy+CS101011+2025_T1', name: 'Clean Code' },
    { id: 'course-v1:Lernito+PY101+2026', name: 'Python 101' },
    {
      id: 'course-v1:Lernito+Closed+2026',
      name: 'Closed for enrolment',
      enrollment_start: '2020-01-01',
      enrollment_end: '2021-01-01',
    },
    { id: 'course-v1:Lernito+Full+2026', name: 'Full course', max_student_enrollments_allowed: 1 },
    { id: 'course-v1:Lernito+Invite+2026', name: 'Invitation only', invitation_only: true },
    { id: 'course-v1:Lernito+Pro+2026', name: 'Professional only', modes: ['professional'] },
    { id: 'course-v1:Lernito+Honor+2026', name: 'Honor and verified', modes: ['honor', 'verified'] },
    { id: 'course-v1:Lernito+Hidden+2026', name: 'Staff only', visible_to_staff_only: true },
    { id: 'course-v1:Lernito+Future+2026', name: 'Starts later', start: '2030-01-01' },
    { id: 'edX/Old/2014', name: 'Old key style' },
  ],
  enrollments: [{ email: 'heidi@example.com', course: 'course-v1:Lernito+Full+2026', mode: 'audit', active: true }],
  default_mode: 'audit',
  password_of_people: 'pw-Test-123',
})
