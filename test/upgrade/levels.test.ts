import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, type TestContext, test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/migrations/migrations.ts'
import { layoutOf } from '../database/dialects.ts'
import { DEMO, payload, startProduct } from '../harness.ts'
import { temporaryFolder, until } from '../service/process.ts'

const [list = '', ...LEVELS] = readFileSync(join(import.meta.dirname, 'levels.sql'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('--'))

/** Yesterday, because anything older than LERNITO_RETENTION_DAYS is deleted. */
const AT = Date.now() - 86_400_000
/** The level that renamed the states. */
const STATES_LEVEL = 22
/** What was stored before an upgrade: a queued sale, two finished ones, and one that needs attention. */
const SALES = [
  { id: '01KGA000000000000000000001', state: 'queued', email: 'alice@example.com', outcome: null },
  {
    id: '01KGA000000000000000000002',
    state: 'enrolled',
    email: 'dave@example.com',
    outcome: JSON.stringify({ courses: { [DEMO]: 'enrolled' }, reason: null }),
  },
  {
    id: '01KGA000000000000000000004',
    state: 'pre_enrolled',
    email: 'nobody@example.com',
    outcome: JSON.stringify({ courses: { [DEMO]: 'allowed' }, reason: null }),
  },
  {
    id: '01KGA000000000000000000003',
    state: 'needs_attention',
    email: 'retired@example.com',
    outcome: JSON.stringify({ courses: {}, reason: { code: 'person.retired', subject: DEMO } }),
  },
] as const

/** The state as code of that level stored it. */
function stateAt(level: number, state: (typeof SALES)[number]['state']): string {
  if (level >= STATES_LEVEL) return state
  if (state === 'queued') return 'waiting'
  return state === 'needs_attention' ? state : 'succeeded'
}

/** A database of an earlier level with rows of that version, written by the kept statements and not by today's code. */
function databaseOf(t: TestContext, level: number): string {
  const folder = temporaryFolder(t)
  const db = new DatabaseSync(join(folder, 'lernito.db'))
  for (const statement of [list, ...LEVELS.slice(0, level)]) db.exec(statement)
  const applied = db.prepare('insert into migrations values (?, ?, ?)')
  for (let id = 1; id <= level; id++) applied.run(id, id < STATES_LEVEL ? 1 : STATES_LEVEL, AT)
  const insert = db.prepare(
    `insert into deliveries (id, digest, state, owner, due_at, attempts, received_at, settled_at, active_at, email, form,
      body, request, outcome) values (?, ?, ?, null, ?, 1, ?, ?, ?, ?, 'canonical', ?, ?, ?)`,
  )
  for (const { id, state, email, outcome } of SALES) {
    const [dueAt, settledAt] = state === 'queued' ? [AT, null] : [null, AT]
    const request = payload({ email })
    insert.run(id, id, stateAt(level, state), dueAt, AT, settledAt, AT, email, Buffer.from(request), request, outcome)
  }
  const has = (table: string): boolean =>
    LEVELS.slice(0, level).some((statement) => statement.includes(` "${table}" (`))
  if (has('events')) {
    const event = db.prepare(
      `insert into events (id, delivery_id, at, kind, detail, actor) values (?, ?, ?, 'received', 'canonical', null)`,
    )
    for (const { id } of SALES) event.run(id, `${id.slice(0, -1)}X`, AT)
  }
  if (has('counters')) db.exec(`insert into counters values ('2026-01-31', 'received', 3)`)
  if (has('replicas')) db.exec(`insert into replicas values ('a-replica-that-is-gone', ${AT})`)
  db.close()
  return folder
}

const layout = async (folder: string): Promise<unknown[]> => {
  const database = openDatabase({ url: `sqlite:${join(folder, 'lernito.db')}`, serve: false })
  const found = await layoutOf(database)
  await database.close()
  return found
}

let today: { levels: number; layout: unknown[] }
before(async () => {
  const folder = temporaryFolder({ after: (done) => process.once('exit', done) })
  const database = openDatabase({ url: `sqlite:${join(folder, 'lernito.db')}`, serve: false })
  await migrate({ database, now: () => AT })
  const { length: levels } = await database.db.selectFrom('migrations').select('id').execute()
  today = { levels, layout: await layoutOf(database) }
  await database.close()
})

test('levels.sql has the statement of each migration, and together they create the same schema', async (t) => {
  assert.equal(LEVELS.length, today.levels, 'append to levels.sql what the new migration sends to SQLite')
  assert.deepEqual(await layout(databaseOf(t, LEVELS.length)), today.layout)
})

for (let level = 1; level <= LEVELS.length; level++) {
  test(`a database of level ${level} is migrated and keeps its rows, and its queued deliveries are done`, async (t) => {
    const folder = databaseOf(t, level)
    const product = await startProduct({ folder })
    t.after(() => product.stop({ keep: true }))
    const db = new DatabaseSync(join(folder, 'lernito.db'), { readOnly: true })
    t.after(() => db.close())
    const stateOf = (id: string) => db.prepare('select state, email, outcome from deliveries where id = ?').get(id)
    const [queued, ...others] = SALES
    await until('the enrollment', () => (stateOf(queued.id)?.state === 'enrolled' ? true : undefined))
    for (const { id, state, email, outcome } of others) assert.deepEqual({ ...stateOf(id) }, { state, email, outcome })
    const { enrollments } = await product.lms.state()
    assert.ok(enrollments.some(({ email, course }) => email === queued.email && course === DEMO))
    assert.equal((await product.sell({ email: 'new@example.com' })).status, 200)
    assert.deepEqual(await layout(folder), today.layout)
  })
}
