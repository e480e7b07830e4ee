import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { z } from 'zod'
import { readWorld } from '../../src/stand-in/world.ts'
import { startRecordedWorld } from './recording.ts'

const ENROLL = '/api/enrollment/v1/enrollment'
/** The stand-in has no expired modes, and stores no enrollment attributes. */
const LEFT_OUT = ['course-v1:Lernito+Expired+2026', 'enrollment_attributes']

const recording = z.object({
  exchanges: z.array(
    z.object({
      name: z.string(),
      request: z.object({
        method: z.string(),
        path: z.string(),
        headers: z.record(z.string(), z.string()),
        json: z.unknown().optional(),
      }),
      response: z.object({ status: z.number(), body: z.unknown() }),
    }),
  ),
})
const newer = z.object({
  people: z.array(z.object({ username: z.string(), email: z.string(), active: z.boolean() }).loose()),
  courses: z.array(z.object({ id: z.string(), name: z.string() }).loose()),
})

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../recordings/lms-newer/${file}`, import.meta.url), 'utf8'))

/** The people and courses of these recordings that lms/world.json lacks, without what the stand-in can't store. */
function withNewer(world: ReturnType<typeof readWorld>) {
  const { people, courses } = newer.parse(read('world.json'))
  const morePeople = people.filter(({ extra }) => extra).map(({ extra: _, ...person }) => person)
  const moreCourses = courses
    .filter(({ extra, id }) => extra && !LEFT_OUT.includes(id))
    .map(({ id, name, modes }) => ({ id, name, ...(modes === undefined ? {} : { modes }) }))
  return readWorld({
    ...world,
    people: [...world.people, ...morePeople],
    courses: [...world.courses, ...moreCourses],
  })
}

const about = z.object({ message: z.string(), mode: z.string(), is_active: z.boolean(), user: z.string() }).partial()

test('enrolls one person as recorded in paid-modes.json, with and without a mode', async () => {
  const { exchanges } = recording.parse(read('paid-modes.json'))
  const singly = exchanges.filter(({ request }) => {
    const isIt = request.method === 'POST' && request.path === ENROLL
    return isIt && !LEFT_OUT.some((text) => JSON.stringify(request.json).includes(text))
  })
  // The later exchanges depend on calls of another API.
  const last = singly.findIndex(({ name }) => name === 'after that, enrolled again with audit named')
  const replayed = singly.slice(0, last + 1)
  assert.equal(replayed.length, 39)
  await using lms = await startRecordedWorld({}, withNewer)
  for (const { name, request, response } of replayed) {
    const answered = await lms.send(request)
    const seen = { status: answered.status, ...about.parse(await answered.json()) }
    assert.deepEqual(seen, { status: response.status, ...about.parse(response.body) }, String(name))
  }
})
