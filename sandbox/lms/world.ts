import { z } from 'zod'
import { fold } from './collation.ts'
import { parseCourseKey } from './course-keys.ts'
import { SandboxError } from './error.ts'

const date = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'must be a date such as 2026-01-31')

const application = z.strictObject({
  client_id: z.string().min(1),
  client_secret: z.string().min(1),
  grant: z.enum(['client-credentials', 'authorization-code']),
  /** The account that a client-credentials application acts as. It may be missing from the people. */
  user: z.string().min(1).optional(),
  staff: z.boolean().nullable().optional(),
  /** The courses of whose staff its account is. */
  course_staff_of: z.array(z.string()).optional(),
  redirect_uri: z.union([z.string(), z.array(z.string())]).optional(),
})

const person = z.strictObject({
  username: z.string().min(1),
  email: z.string().min(1),
  name: z.string().optional(),
  active: z.boolean(),
  staff: z.boolean().optional(),
  superuser: z.boolean().optional(),
})

const course = z.strictObject({
  id: z.string().refine((text) => parseCourseKey(text) !== null, 'must be a course key'),
  name: z.string(),
  start: date.optional(),
  end: date.optional(),
  enrollment_start: date.optional(),
  enrollment_end: date.optional(),
  max_student_enrollments_allowed: z.int().nonnegative().optional(),
  invitation_only: z.boolean().optional(),
  visible_to_staff_only: z.boolean().optional(),
  modes: z.array(z.string().min(1)).min(1).optional(),
  /** When the sale of a mode ends. */
  mode_ends: z.record(z.string(), date).optional(),
  /** The price of its modes, if it isn't the usual one. */
  min_price: z.int().nonnegative().optional(),
  /** From when on its certificates can be seen, as the LMS finds out from its end and the wishes of its team. */
  certificates_from: date.optional(),
})

/** An enrollment in the world, in /sandbox/seed and in /sandbox/state. */
export const enrollmentRow = z.strictObject({
  email: z.string().min(1),
  course: z.string().refine((text) => parseCourseKey(text) !== null, 'must be a course key'),
  mode: z.string().min(1),
  active: z.boolean(),
})

/** An allowance (CourseEnrollmentAllowed) in the world, in /sandbox/seed and in /sandbox/state. */
export const allowanceRow = z.strictObject({
  email: z.string().min(1),
  course: z.string().refine((text) => parseCourseKey(text) !== null, 'must be a course key'),
  auto_enroll: z.boolean(),
  used: z.boolean(),
})

const world = z.strictObject({
  about: z.string().optional(),
  staff_service_user: z.string().optional(),
  applications: z.array(application),
  people: z.array(person),
  retired_emails: z.array(z.string()).default([]),
  courses: z.array(course),
  enrollments: z.array(enrollmentRow).default([]),
  allowances: z.array(allowanceRow).default([]),
  default_mode: z.string().min(1).default('audit'),
  password_of_people: z.string().min(1),
})

export type World = z.infer<typeof world>
export type Application = World['applications'][number]
export type Course = World['courses'][number]
export type EnrollmentRow = z.infer<typeof enrollmentRow>
export type AllowanceRow = z.infer<typeof allowanceRow>

function firstDuplicate(texts: string[]): string | undefined {
  const seen = new Set<string>()
  return texts.find((text) => seen.size === seen.add(fold(text)).size)
}

/**
 * Checks a world of the form of test/recordings/lms/world.json: applications, people, courses, enrollments.
 * Throws SandboxError 'sandbox.world_invalid', which names the first problem and its place.
 */
export function readWorld(input: unknown): World {
  const read = world.safeParse(input)
  if (!read.success) {
    const [issue] = read.error.issues
    const where = issue?.path.join('.') || 'the world'
    throw new SandboxError('sandbox.world_invalid', `The world is wrong at ${where}: ${issue?.message}.`)
  }
  const { people, courses, applications, enrollments, allowances } = read.data
  const duplicate =
    firstDuplicate(people.map(({ email }) => email)) ??
    firstDuplicate(people.map(({ username }) => username)) ??
    firstDuplicate(courses.map(({ id }) => id)) ??
    firstDuplicate(applications.map(({ client_id }) => client_id))
  if (duplicate !== undefined) throw new SandboxError('sandbox.world_invalid', `The world names ${duplicate} twice.`)
  const known = new Set(people.map(({ email }) => fold(email)))
  const used = allowances.filter((row) => row.used)
  const unknown = [...enrollments, ...used].find(({ email }) => !known.has(fold(email)))
  if (unknown)
    throw new SandboxError(
      'sandbox.world_invalid',
      `The world has an enrollment or a used allowance of ${unknown.email}, who is not among its people.`,
    )
  return read.data
}
