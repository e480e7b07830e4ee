import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openDatabase } from '../../src/deliveries/database.ts'
import { createIds } from '../../src/deliveries/ids.ts'
import { createInbox } from '../../src/deliveries/inbox.ts'
import { migrate } from '../../src/deliveries/migrations.ts'
import type { DeliveryRow, Tables } from '../../src/deliveries/schema.ts'
import { createStore, type Store, type Write } from '../../src/deliveries/store.ts'
import type { Arrival, DeliveryEvent, Outcome, Settlement } from '../../src/deliveries/types.ts'

/** Noon, so that a test can move the clock by hours and stay within one UTC day. */
export const START = Date.UTC(2026, 0, 31, 12)
export const COURSE = 'course-v1:edX+DemoX+Demo_Course'

/** A new and empty database. Another kind of database needs another function here; the tests stay as they are. */
export async function emptyDatabase(): Promise<{ url: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'lernito-'))
  return { url: `sqlite:${join(folder, 'lernito.db')}`, remove: () => rm(folder, { recursive: true }) }
}

/** As emptyDatabase; removed at the end of the test. */
export async function emptyUrl(t: TestContext): Promise<string> {
  const { url, remove } = await emptyDatabase()
  t.after(remove)
  return url
}

/**
 * A migrated database with one replica, and a way to open more on it. The clock stands still until a test moves it.
 * All is closed and removed at the end of the test.
 */
export async function setUp(t: TestContext) {
  const { url, remove } = await emptyDatabase()
  const clock = { at: START }
  const now = () => clock.at
  const closers: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const close of closers) await close()
    await remove()
  })
  /** `wrap` stands between the inbox and its store. */
  const replica = async (me: string, wrap = (store: Store): Store => store) => {
    const { db, close } = openDatabase({ url, serve: false })
    await migrate({ db, now })
    const store = createStore({ db, me, now, newId: createIds({ now }) })
    const published: DeliveryEvent[] = []
    const errors: unknown[] = []
    const failed = Promise.withResolvers<void>()
    const inbox = createInbox({
      store: wrap(store),
      now,
      publish: (event) => published.push(event),
      onError: (error) => {
        errors.push(error)
        failed.resolve()
      },
    })
    closers.push(async () => {
      inbox.close()
      await close()
    })
    const row = (id: string): Promise<DeliveryRow> =>
      db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const rows = <Table extends keyof Tables>(table: Table) => db.selectFrom(table).selectAll().execute()
    return { me, db, store, inbox, published, errors, failed: failed.promise, row, rows }
  }
  return { url, clock, replica, ...(await replica('replica-1')) }
}
export type Replica = Awaited<ReturnType<Awaited<ReturnType<typeof setUp>>['replica']>>

/** A verified webhook of this person; each `order` of the person is another webhook. */
export function arrival({ email = 'ada@example.com', order = 1 } = {}): Arrival {
  const request = { email, name: 'Ada', family: 'Lovelace', username: 'ada', courseIds: [COURSE] }
  const body = Buffer.from(JSON.stringify({ ...request, order }))
  return { digest: createHash('sha256').update(body).digest('hex'), form: 'canonical', body, request, reason: null }
}

export function rejectedArrival(): Arrival {
  return { ...arrival(), request: null, reason: { code: 'payload.invalid', subject: '{"email":["Required"]}' } }
}

export const accepted = (one: Arrival): Write => ({ kind: 'accept', arrival: one })
export const settled = (settlement: Settlement): Write => ({ kind: 'settle', settlement })

export function succeeded(id: string, result: 'enrolled' | 'allowed' = 'enrolled'): Settlement {
  const outcome: Outcome = { courses: { [COURSE]: result }, reason: null }
  return { id, state: 'succeeded', outcome, dueAt: null, attempts: 0, detail: `${result} in ${COURSE}` }
}

export function needsAttention(id: string): Settlement {
  const outcome: Outcome = { courses: {}, reason: { code: 'course.missing', subject: COURSE } }
  return { id, state: 'needs_attention', outcome, dueAt: null, attempts: 0, detail: `the LMS has no course ${COURSE}` }
}

export function retry(id: string, dueAt: number, attempts = 1): Settlement {
  const outcome: Outcome = { courses: {}, reason: null }
  return { id, state: 'waiting', outcome, dueAt, attempts, detail: `try ${attempts}: no answer` }
}

/** What happened to a delivery, in order, as stored. */
export async function timeline({ db }: Pick<Replica, 'db'>, id: string): Promise<string[]> {
  const rows = await db.selectFrom('events').select('kind').where('delivery_id', '=', id).orderBy('id').execute()
  return rows.map(({ kind }) => kind)
}

export async function counters({ db }: Pick<Replica, 'db'>): Promise<Record<string, number>> {
  const rows = await db.selectFrom('counters').selectAll().execute()
  return Object.fromEntries(rows.map(({ day, name, count }) => [`${day} ${name}`, count]))
}

export function only<T>(list: readonly T[]): T {
  const [first] = list
  assert.equal(list.length, 1)
  assert(first !== undefined)
  return first
}
