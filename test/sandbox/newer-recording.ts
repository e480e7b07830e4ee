import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { allowanceRow, enrollmentRow, readWorld } from '../../sandbox/lms/world.ts'
import type { StandInOptions } from '../../sandbox/stand-in.ts'
import { comparable, compare, exchangeSchema, rows, startRecordedWorld } from './recording.ts'
import { control, type Lms } from './requests.ts'

const effectSchema = z.object({
  enrollments: z.array(enrollmentRow).default([]),
  allowances: z.array(allowanceRow).default([]),
  allowances_gone: z.array(z.object({ email: z.string(), course: z.string() })).default([]),
  audit: z.array(z.looseObject({ enrolled_email: z.string() })).default([]),
  mails: z.array(z.looseObject({ to: z.string(), subject: z.string() })).default([]),
  active: z.boolean().optional(),
})
const newerExchange = exchangeSchema.extend({
  name: z.string(),
  effect: effectSchema.or(z.record(z.string(), z.number())).optional(),
})
const recordingSchema = z.object({ state_after: rows, exchanges: z.array(newerExchange) })
export type NewerExchange = z.infer<typeof newerExchange>
type Effect = z.infer<typeof effectSchema>

const folder = new URL('../recordings/lms-newer/', import.meta.url)

async function readJsonFile(name: string): Promise<unknown> {
  const text = await readFile(new URL(name, folder), 'utf8')
  // The recordings shorten the one long text in them so.
  return JSON.parse(text.replaceAll('r × 70000', 'r'.repeat(70_000)))
}

/** Reads a recording of 25 November 2026 by its file name. */
export async function readNewer(name: string) {
  return recordingSchema.parse(await readJsonFile(name))
}

const newerWorld = z.looseObject({
  applications: z.array(z.looseObject({})),
  people: z.array(z.looseObject({})),
  courses: z.array(z.looseObject({ modes: z.array(z.string()).optional() })),
})
const ENDED = ' (sale ended)'

/** The world of the recordings in lms-newer, without the remarks in it that the stand-in has no use for. */
async function newerRecordedWorld() {
  const {
    service_users: _,
    modulestore: __,
    prices: ___,
    ...world
  } = newerWorld.parse(await readJsonFile('world.json'))
  return readWorld({
    ...world,
    applications: world.applications.map(({ extra: _, ...application }) => application),
    people: world.people.map(({ extra: _, ...person }) => person),
    courses: world.courses.map(({ extra: _, blocks: __, modes, ...course }) => {
      if (modes === undefined) return course
      const ended = modes.filter((mode) => mode.endsWith(ENDED)).map((mode) => mode.replace(ENDED, ''))
      const mode_ends = Object.fromEntries(ended.map((mode) => [mode, '2026-11-20']))
      return { ...course, modes: modes.map((mode) => mode.replace(ENDED, '')), mode_ends }
    }),
  })
}

/** A new stand-in with that world, at a time when the sale of the expired mode has ended. */
export async function startNewerWorld(options: StandInOptions = {}) {
  const world = await newerRecordedWorld()
  return await startRecordedWorld({ now: () => Date.UTC(2026, 10, 25), ...options }, () => world)
}

/** In answers: the account of the recorded LMS has an activation key, and its courses are paced by instructors. */
const worldly = /"(activation_key|pacing_type|expiration_datetime|last_login)":(?:null|"[^"]*")/g

/** Compares an answer with the recorded one; returns the text of the answer. */
export const compareNewer = (of: { response: Response; exchange: NewerExchange; url: string }): Promise<string> =>
  compare({ ...of, plain })

function plain(body: unknown, url: string): unknown {
  return comparable(JSON.parse(JSON.stringify(body).replace(worldly, '"$1":"…"')), url)
}

const traces = z.object({
  audit: z.array(z.looseObject({})).default([]),
  mails: z.array(z.object({ to: z.string(), subject: z.string() })).default([]),
})

async function tracesOf(lms: Lms) {
  const [audit, mails] = await Promise.all(
    ['audit', 'mails'].map(async (path) => traces.parse(await (await control(lms, path, undefined, 'GET')).json())),
  )
  return { audit: audit?.audit ?? [], mails: mails?.mails ?? [] }
}

/** Runs `call`, and compares what it changed with the recorded effect: rows, audit rows and mails. */
export async function withEffect<T>(lms: Lms, exchange: NewerExchange, call: () => Promise<T>): Promise<T> {
  const recorded = exchange.request ? effectSchema.safeParse(exchange.effect).data : undefined
  if (!recorded) return await call()
  const before = { state: await lms.state(), ...(await tracesOf(lms)) }
  const answer = await call()
  const after = { state: await lms.state(), ...(await tracesOf(lms)) }
  const key = ({ email, course }: { email: string; course: string }) => ({ email, course })
  const gone = before.state.allowances.filter((row) => !after.state.allowances.some((one) => same(key(one), key(row))))
  const seen = {
    enrollments: inOrder(newRows(before.state.enrollments, after.state.enrollments)),
    allowances: inOrder(newRows(before.state.allowances, after.state.allowances)),
    allowances_gone: inOrder(gone.map(key)),
    audit: after.audit.slice(before.audit.length),
    mails: inOrder(after.mails.slice(before.mails.length)),
  }
  assert.deepEqual(seen, expected(recorded), `${exchange.name}: effect`)
  return answer
}

function expected(effect: Effect) {
  return {
    enrollments: inOrder(effect.enrollments),
    allowances: inOrder(effect.allowances),
    allowances_gone: inOrder(effect.allowances_gone),
    // No call sets the role.
    audit: effect.audit.map(({ role: _, ...row }) => row),
    // The stand-in doesn't keep the texts of mails. Those of one call come in no particular order.
    mails: inOrder(effect.mails.map(({ to, subject }) => ({ to, subject }))),
  }
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
const newRows = <Row>(before: Row[], after: Row[]) => after.filter((row) => !before.some((one) => same(one, row)))
const inOrder = <Row>(all: Row[]) => all.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
