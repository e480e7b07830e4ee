import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { readBody } from './api/bodies.ts'
import type { View } from './api/view.ts'
import { type Answer, timestamp } from './lms/answers.ts'
import { changeAccount, retiredEmail } from './lms/enrollment-rules.ts'
import { SandboxError } from './lms/error.ts'
import { faultSchema } from './lms/faults.ts'
import type { Lms } from './lms/lms.ts'
import { addPerson, changeAddress, seed } from './lms/populate.ts'
import { allowanceRow, enrollmentRow, readWorld } from './lms/world.ts'

const seedSchema = z.strictObject({
  enrollments: z.array(enrollmentRow).default([]),
  allowances: z.array(allowanceRow).default([]),
})
const personSchema = z.strictObject({
  email: z.string().min(1),
  username: z.string().min(1),
  name: z.string().min(1).optional(),
  formerly: z.string().min(1).optional(),
  active: z.boolean().default(true),
  staff: z.boolean().default(false),
})
const accountSchema = z.strictObject({ email: z.string().min(1) })
const achievementSchema = z.strictObject({
  email: z.string().min(1),
  course: z.string().min(1),
  passed: z.boolean().optional(),
  percent: z.number().min(0).max(100).default(0),
  certificate: z.string().min(1).nullish(),
})
const addressSchema = z.strictObject({ email: z.string().min(1), formerly: z.string().min(1) })
const faultsSchema = z.strictObject({ faults: z.array(faultSchema) })

/** Unlike an answer of the LMS, it ends with a line break: people call these addresses in a shell. */
const send = (reply: FastifyReply, { status, body }: Answer): FastifyReply =>
  reply
    .code(status)
    .header('content-type', 'application/json')
    .send(Buffer.from(`${JSON.stringify(body)}\n`))

const done: Answer = { status: 200, body: { ok: true } }
const invalid = (message: string): Answer => ({ status: 400, body: { error: message } })
/** `problem`: null for success. */
const doneOr = (problem: string | null): Answer => (problem === null ? done : invalid(problem))

type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

/** A handler that answers a body that the schema accepts, and refuses any other with 400 and the reason. */
const handle =
  <T>(schema: z.ZodType<T>, answerTo: (body: T) => Answer): Handler =>
  (request, reply) => {
    const body = read(request, schema)
    return send(reply, 'answer' in body ? body.answer : answerTo(body.value))
  }

function read<T>(request: FastifyRequest, schema: z.ZodType<T>): { value: T } | { answer: Answer } {
  const bytes = request.body instanceof Uint8Array ? request.body : new Uint8Array()
  const body = readBody({ bytes, contentType: 'application/json' })
  if (!('data' in body)) return { answer: invalid(body.detail) }
  const parsed = schema.safeParse(body.data)
  if (parsed.success) return { value: parsed.data }
  const [issue] = parsed.error.issues
  return { answer: invalid(`${issue?.path.join('.') || 'the body'}: ${issue?.message}`) }
}

interface Parts {
  readonly app: FastifyInstance
  readonly lms: Lms
}

/**
 * The control API, with which tests and operators inspect the stand-in and make it fail. `views`: all that an LMS can have.
 */
export function addControl({ app, lms, views }: Parts & { views: readonly View[] }): void {
  addStateRoutes({ app, lms })
  addPeopleRoutes({ app, lms })
  addAccountRoutes({ app, lms })
  addAchievementRoute({ app, lms })
  addFaultRoutes({ app, lms, views })
  addCallRoutes({ app, lms })
  addTraceRoutes({ app, lms })
}

function addStateRoutes({ app, lms }: Parts): void {
  const { state } = lms
  app.get('/sandbox/state', (_request, reply) => send(reply, { status: 200, body: state.snapshot() }))
  app.post(
    '/sandbox/reset',
    handle(z.json(), (world) => reset(lms, world)),
  )
  app.post(
    '/sandbox/seed',
    handle(seedSchema, (rows) => doneOr(seed({ state, ...rows }))),
  )
}

/** Without a world, or with an empty one, the stand-in returns to the world that it started with. */
function reset(lms: Lms, world: unknown): Answer {
  const isEmpty = world === null || (typeof world === 'object' && Object.keys(world).length === 0)
  try {
    if (isEmpty && !Array.isArray(world)) lms.reset()
    else lms.reset(readWorld(world))
    return done
  } catch (error) {
    if (error instanceof SandboxError) return invalid(error.message)
    throw error
  }
}

function addPeopleRoutes({ app, lms }: Parts): void {
  const { state } = lms
  app.post(
    '/sandbox/people',
    handle(personSchema, (person) => doneOr(addPerson({ state, world: lms.world(), person }))),
  )
  app.post(
    '/sandbox/activate',
    handle(accountSchema, ({ email }) => {
      const person = state.findPerson({ email })
      if (!person) return invalid(`${email} has no account`)
      const { missingCourse } = changeAccount(lms.context(), person, { active: true })
      if (missingCourse === null) return done
      return invalid(`the activation failed: there is an allowance for ${missingCourse}, which doesn't exist`)
    }),
  )
}

/** What becomes of accounts: they get another address, or their people have them deleted. */
function addAccountRoutes({ app, lms }: Parts): void {
  app.post(
    '/sandbox/address',
    handle(addressSchema, (change) => doneOr(changeAddress(lms.context(), change))),
  )
  // At once, as with the person's request: the LMS renames the account days later.
  app.post(
    '/sandbox/retire',
    handle(accountSchema, ({ email }) =>
      doneOr(changeAddress(lms.context(), { email: retiredEmail(email), formerly: email })),
    ),
  )
}

/** What a person has achieved in a course: a grade, a certificate, or both. */
function addAchievementRoute({ app, lms: { state, achievements } }: Parts): void {
  app.post(
    '/sandbox/achievement',
    handle(achievementSchema, ({ email, course: key, passed, percent, certificate }) => {
      const [person, course] = [state.findPerson({ email }), state.findCourse(key)]
      if (!person) return invalid(`${email} has no account`)
      if (!course) return invalid(`there is no course ${key}`)
      if (passed !== undefined) achievements.setGrade(person.id, course.id, { passed, percent: percent / 100 })
      if (certificate !== undefined) achievements.setCertificate(person.id, course.id, certificate)
      return done
    }),
  )
}

/** A fault for a view that only this LMS lacks is accepted, so that one set of faults suits every kind of LMS. */
function addFaultRoutes({ app, lms, views }: Parts & { views: readonly View[] }): void {
  const patterns = new Set(views.flatMap(({ pattern }) => pattern ?? []))
  app.addHook('onRoute', ({ config }) => {
    if (config?.pattern !== undefined) patterns.add(config.pattern)
  })
  app.post(
    '/sandbox/faults',
    handle(faultsSchema, ({ faults }) => {
      const unknown = faults.find(({ path }) => path?.includes('{') === true && !patterns.has(path))?.path
      if (unknown !== undefined) return invalid(`${unknown} is none of the routes: ${[...patterns].sort().join(' ')}`)
      lms.faults.add(faults)
      return done
    }),
  )
  app.delete('/sandbox/faults', (_request, reply) => {
    lms.faults.clear()
    return send(reply, done)
  })
}

function addCallRoutes({ app, lms }: Parts): void {
  app.get('/sandbox/calls', (_request, reply) => send(reply, { status: 200, body: { calls: lms.calls.list() } }))
  app.delete('/sandbox/calls', (_request, reply) => {
    lms.calls.reset()
    return send(reply, done)
  })
}

/** What the calls left besides enrollments and allowances: the mails that were sent, and the LMS's audit. */
function addTraceRoutes({ app, lms }: Parts): void {
  app.get('/sandbox/mails', (_request, reply) => {
    const mails = lms.mails.list().map((mail) => ({ ...mail, at: timestamp(mail.at) }))
    return send(reply, { status: 200, body: { mails } })
  })
  app.delete('/sandbox/mails', (_request, reply) => {
    lms.mails.reset()
    return send(reply, done)
  })
  app.get('/sandbox/audit', (_request, reply) => {
    const audit = lms.state.listAudit().map(({ enrolledBy, email, transition, reason, enrollment }) => ({
      enrolled_by: enrolledBy,
      enrolled_email: email,
      state_transition: transition,
      reason,
      enrollment: enrollment && { user: enrollment.username, course: enrollment.course },
    }))
    return send(reply, { status: 200, body: { audit } })
  })
}
