import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Kysely, sql } from 'kysely'
import { openDatabase } from '../../src/database/database.ts'
import type { Database } from '../../src/database/dialect.ts'
import { migrate, statementsOf } from '../../src/database/migrations/migrations.ts'
import type { DeliveryRow, ReplicaRow, Tables } from '../../src/database/schema.ts'
import { createOperations } from '../../src/operators/changes/operations.ts'
import { createInbox, type Submitted } from '../../src/queue/inbox.ts'
import { createReplicas, type Replicas } from '../../src/queue/replicas/replicas.ts'
import { personOf } from '../../src/queue/rows.ts'
import { createStore, type Store, type Write } from '../../src/queue/store.ts'
import { createIds } from '../../src/sale/ids.ts'
import {
  type DeliveryEvent,
  type Outcome,
  type Progress,
  type Settlement,
  stateAfter,
  type VerifiedWebhook,
} from '../../src/sale/types.ts'

/** Noon, so that a test can move the clock by hours and stay within one UTC day. */
export const START = Date.UTC(2026, 0, 31, 12)
/** The deadline of a sender who waits for a minute, and that by the clock of a database at START. */
export const deadline = (): number => performance.now() + 60_000
export const DEADLINE = START + 60_000
export const COURSE = 'course-v1:edX+DemoX+Demo_Course'

interface EmptyDatabase {
  readonly url: string
  readonly remove: () => Promise<void>
}

async function emptyFile(): Promise<EmptyDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'lernito-'))
  return { url: `sqlite:${join(folder, 'lernito.db')}`, remove: () => rm(folder, { recursive: true }) }
}

let newDatabase = emptyFile
export const onSqlite = (): boolean => newDatabase === emptyFile

/** What a sender learns of a result. */
export const progressOf = ({ dueAt, generation, outcome }: Settlement): Progress => ({
  state: stateAfter({ outcome, dueAt }),
  dueAt,
  generation,
  reason: outcome.reason,
})

/** What a submit resolved to, without the id of its event. */
export const answerOf = ({ eventId: _eventId, ...answer }: Submitted): Omit<Submitted, 'eventId'> => answer

/** A new and empty database. */
export const emptyDatabase = (): Promise<EmptyDatabase> => newDatabase()

/** Runs all following tests on another kind of database; see mariadb.slow.test.ts. */
export const useDatabases = (make: () => Promise<EmptyDatabase>): void => {
  newDatabase = make
}

const TABLES = statementsOf('initial-schema.sql').flatMap(
  (text) => /^create table if not exists (\w+)/.exec(text)?.[1] ?? [],
)
/** The migrated databases of tests that have ended. On a server, tables take longer to make than rows to delete. */
const emptied: EmptyDatabase[] = []

/** A database of setUp, for another test. */
async function giveBack(one: EmptyDatabase): Promise<void> {
  if (onSqlite()) return one.remove()
  const { db, close } = openDatabase({ url: one.url, serve: false })
  await sql`drop trigger if exists full`.execute(db) // see refuseInserts
  await db.transaction().execute(async (trx) => {
    for (const table of TABLES) await sql`delete from ${sql.table(table)}`.execute(trx)
  })
  await close()
  emptied.push(one)
}

/** Like emptyDatabase, but removed at the end of the test. */
export async function emptyUrl(t: TestContext): Promise<string> {
  const { url, remove } = await emptyDatabase()
  t.after(remove)
  return url
}

/**
 * A migrated database with one replica, and a way to open more on it. The clock stands still until a test moves it.
 * Everything is closed and removed at the end of the test.
 */
export async function setUp(t: TestContext, { hasOutbox = false } = {}) {
  const empty = emptied.pop() ?? (await emptyDatabase())
  const { url } = empty
  const clock = { at: START }
  const monotonic = { at: 1000 }
  const now = () => clock.at
  const closers: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const close of closers) await close()
    await giveBack(empty)
  })
  /** `wrap` may replace functions of the store that the inbox uses. */
  const replica = async (me: string, wrap = (store: Store): Store => store) => {
    const database = openDatabase({ url, serve: false })
    const { db, close } = database
    await migrate({ database, now })
    const newId = createIds({ now })
    const published: DeliveryEvent[] = []
    const publish = (event: DeliveryEvent): void => void published.push(event)
    const context = { database, now, newId, random: () => 0.5, hasOutbox, publish }
    const { replicas, store, raw } = await joined({ ...context, me, monotonic })
    const errors: unknown[] = []
    const failed = Promise.withResolvers<void>()
    const inbox = createInbox({
      store: wrap(raw),
      now,
      publish,
      onError: (error) => {
        errors.push(error)
        failed.resolve()
      },
    })
    const operations = createOperations({
      context,
      guard: (work) => work(),
      silentMs: 0, // no replica of these tests sends heartbeats
    })
    closers.push(async () => {
      inbox.close()
      await close()
    })
    const row = (id: string): Promise<DeliveryRow> =>
      db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const rows = <Table extends keyof Tables>(table: Table) => db.selectFrom(table).selectAll().execute()
    return {
      me,
      monotonic,
      database,
      db,
      replicas,
      store,
      inbox,
      context,
      operations,
      published,
      errors,
      failed: failed.promise,
      row,
      rows,
    }
  }
  return { url, clock, replica, ...(await replica('replica-1')) }
}
export type Replica = Awaited<ReturnType<Awaited<ReturnType<typeof setUp>>['replica']>>

/** The store of a replica that has joined under this name: see beginning. When it joins again, its name is me-2, me-3 and so on. */
export async function joined({
  database,
  me,
  now,
  newId = createIds({ now }),
  hasOutbox = false,
  publish = () => {},
  monotonic = { at: 1000 },
}: {
  database: Database
  me: string
  now: () => number
  newId?: () => string
  hasOutbox?: boolean
  publish?: (event: DeliveryEvent) => void
  /** The monotonic clock of the replicas, ms. */
  monotonic?: { at: number }
}) {
  let names = 0
  const newName = (): string => (++names === 1 ? me : `${me}-${names}`)
  const replicas = createReplicas({
    database,
    newName,
    deadAfterMs: 60_000,
    random: () => 0.5,
    clock: () => monotonic.at,
  })
  await replicas.join()
  // It joined a second ago: a heartbeat within the same millisecond would not change the row.
  const row = database.db.updateTable('replicas').where('id', '=', me)
  await row.set((eb) => ({ seen_at: eb('seen_at', '-', 1000) })).execute()
  const store = createStore({ database, replicas, now, newId, random: () => 0.5, hasOutbox, publish })
  return { replicas, store: beginning({ db: database.db, store }), raw: store, monotonic }
}

interface Watching {
  readonly replicas: Replicas
  readonly monotonic: { at: number }
}

/** Looks at the heartbeats for a minute, in which nobody sends one. Resolves to those that are dead then. */
export async function watchAMinute({ replicas, monotonic }: Watching): Promise<ReplicaRow[]> {
  await replicas.findDead()
  for (let looks = 0; looks < 2; looks++) {
    monotonic.at += 30_000
    await replicas.findDead()
  }
  return replicas.findDead()
}

/** Prunes this one replica after a minute without a heartbeat, and ends its holds. Resolves to how many replicas that were. */
export async function pruneAlone(by: Watching, name: string): Promise<number> {
  const dead = await watchAMinute(by)
  const pruned = await by.replicas.prune(dead.filter(({ id }) => id === name))
  await by.replicas.holds.sweep()
  await by.replicas.findDead()
  return pruned
}

/** A verified webhook of this person; each `order` of the person is another webhook. */
export function arrival({
  email = 'ada@example.com',
  username = 'ada',
  courseIds = [COURSE],
  order = 1,
}: {
  email?: string
  username?: string
  courseIds?: readonly string[]
  order?: number
} = {}): VerifiedWebhook {
  const request = { email, name: 'Ada', family: 'Lovelace', username, courseIds }
  const body = Buffer.from(JSON.stringify({ ...request, order }))
  return { digest: createHash('sha256').update(body).digest('hex'), form: 'original', body, request, reason: null }
}

export function rejectedArrival(): VerifiedWebhook {
  return { ...arrival(), request: null, reason: { code: 'payload.invalid', subject: '{"email":["Required"]}' } }
}

export const accepted = (webhook: VerifiedWebhook): Write => ({ kind: 'accept', webhook })
export const settled = (settlement: Settlement): Write => ({ kind: 'settle', settlement, person: '' })

/** A store that begins attempts whose results it is to write, unless somebody has the hold of their buyers. */
const beginning = ({ db, store }: { db: Kysely<Tables>; store: Store }): Store => ({
  ...store,
  write: (writes) => writeBegun({ db, store }, writes),
})

async function writeBegun({ db, store }: { db: Kysely<Tables>; store: Store }, writes: readonly Write[]) {
  const people = new Map<string, string>()
  const holds = await db.selectFrom('holds').select('name').where('replica', '!=', '').execute()
  const held = new Set(holds.map(({ name }) => name))
  for (const write of writes) {
    if (write.kind !== 'settle') continue
    const { id } = write.settlement
    const row = await db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst()
    if (row === undefined) continue
    people.set(id, personOf(row))
    const attempt = { ...row, person: personOf(row), dueAt: row.due_at, effectUnknown: row.effect_unknown !== 0 }
    if (!held.has(attempt.person)) await store.beginAttempt([attempt])
  }
  return store.write(
    writes.map((write) =>
      write.kind === 'settle' ? { ...write, person: people.get(write.settlement.id) ?? write.person } : write,
    ),
  )
}

export function succeeded(id: string, result: 'enrolled' | 'allowed' = 'enrolled', generation = 0): Settlement {
  const outcome: Outcome = { courses: { [COURSE]: result }, reason: null }
  return {
    id,
    outcome,
    dueAt: null,
    attempts: 0,
    generation,
    effectUnknown: false,
    detail: `${result} in ${COURSE}`,
  }
}

export function needsAttention(id: string): Settlement {
  const outcome: Outcome = { courses: {}, reason: { code: 'course.missing', subject: COURSE } }
  return {
    id,
    outcome,
    dueAt: null,
    attempts: 0,
    generation: 0,
    effectUnknown: false,
    detail: `the LMS has no course ${COURSE}`,
  }
}

export function retry(id: string, dueAt: number, attempts = 1, generation = 0): Settlement {
  const outcome: Outcome = { courses: {}, reason: null }
  return {
    id,
    outcome,
    dueAt,
    attempts,
    generation,
    effectUnknown: false,
    detail: `try ${attempts}: no answer`,
  }
}

/** The kinds of a delivery's stored events, in order. */
export async function timeline({ db }: Pick<Replica, 'db'>, id: string): Promise<string[]> {
  const rows = await db.selectFrom('events').select('kind').where('delivery_id', '=', id).orderBy('id').execute()
  return rows.map(({ kind }) => kind)
}

export function only<T>(list: readonly T[]): T {
  const [first] = list
  assert.equal(list.length, 1)
  assert(first !== undefined)
  return first
}
