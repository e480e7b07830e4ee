import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import type { Answer } from '../stand-in/answers.ts'
import { activate } from '../stand-in/enrolling.ts'
import { faultSchema } from '../stand-in/faults.ts'
import type { Lms } from '../stand-in/lms.ts'
import { addPerson, seed } from '../stand-in/population.ts'
import { allowanceRow, enrollmentRow, readWorld } from '../stand-in/world.ts'
import { readBody } from '../stand-in-api/bodies.ts'
import { send } from '../stand-in-api/views.ts'

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
const activateSchema = z.strictObject({ email: z.string().min(1) })
const faultsSchema = z.strictObject({ faults: z.array(faultSchema) })

const done: Answer = { status: 200, body: { ok: true } }
const wrong = (message: string): Answer => ({ status: 400, body: { error: message } })

/** The body as the schema reads it, or the 400 that says what is wrong and where. */
function read<T>(request: FastifyRequest, schema: z.ZodType<T>): { value: T } | { answer: Answer } {
  const bytes = request.body instanceof Uint8Array ? request.body : new Uint8Array()
  const body = readBody({ bytes, contentType: 'application/json' })
  if (!('data' in body)) return { answer: wrong(body.detail) }
  const parsed = schema.safeParse(body.data)
  if (parsed.success) return { value: parsed.data }
  const [issue] = parsed.error.issues
  return { answer: wrong(`${issue?.path.join('.') || 'the body'}: ${issue?.message}`) }
}

/** The control API: what tests and operators use to look into the stand-in and to make it fail. */
export function addControl({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  const { state } = lms

  app.get('/sandbox/state', (_request, reply) => send(reply, { status: 200, body: state.snapshot() }))

  app.post('/sandbox/reset', (request, reply) => {
    // No body and an empty one are the same here: the world that the stand-in started with.
    const body = read(request, z.json())
    if ('answer' in body) return send(reply, body.answer)
    const first = body.value === null || (typeof body.value === 'object' && Object.keys(body.value).length === 0)
    try {
      if (first && !Array.isArray(body.value)) lms.reset()
      else lms.reset(readWorld(body.value))
    } catch (error) {
      if (error instanceof AppError) return send(reply, wrong(error.message))
      throw error
    }
    return send(reply, done)
  })

  app.post('/sandbox/seed', (request, reply) => {
    const body = read(request, seedSchema)
    if ('answer' in body) return send(reply, body.answer)
    const problem = seed({ state, ...body.value })
    return send(reply, problem === null ? done : wrong(problem))
  })

  app.post('/sandbox/people', (request, reply) => {
    const body = read(request, personSchema)
    if ('answer' in body) return send(reply, body.answer)
    const problem = addPerson({ state, world: lms.world(), person: body.value })
    return send(reply, problem === null ? done : wrong(problem))
  })

  app.post('/sandbox/activate', (request, reply) => {
    const body = read(request, activateSchema)
    if ('answer' in body) return send(reply, body.answer)
    const person = state.findPerson(body.value)
    if (!person) return send(reply, wrong(`${body.value.email} has no account`))
    const { missingCourse } = activate({ state, world: lms.world(), now: lms.now() }, person)
    if (missingCourse === null) return send(reply, done)
    return send(reply, wrong(`the activation broke: there is an allowance for ${missingCourse}, which doesn't exist`))
  })

  app.post('/sandbox/faults', (request, reply) => {
    const body = read(request, faultsSchema)
    if ('answer' in body) return send(reply, body.answer)
    lms.faults.add(body.value.faults)
    return send(reply, done)
  })

  app.delete('/sandbox/faults', (_request, reply) => {
    lms.faults.clear()
    return send(reply, done)
  })

  app.get('/sandbox/calls', (_request, reply) => send(reply, { status: 200, body: { calls: lms.calls.list() } }))

  app.delete('/sandbox/calls', (_request, reply) => {
    lms.calls.reset()
    return send(reply, done)
  })
}
