import { createHash } from 'node:crypto'
import { rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { openDatabase } from '../src/database/database.ts'
import { migrate } from '../src/database/migrations.ts'
import { createIds } from '../src/delivery/ids.ts'
import { createStore, type Store } from '../src/inbox/store.ts'
import { createOperations } from '../src/operations/create-operations.ts'
import { createReplicas } from '../src/replicas/replicas.ts'
import { textOfWords, tokensOf, WORDS_VERSION } from '../src/words/words.ts'
import { courseKey, emailOf } from './world.ts'

const ME = 'bench-replica'
const COLUMNS =
  'id, digest, state, owner, due_at, attempts, received_at, settled_at, active_at, email, form, body, request, outcome, username, course, enrolled_at, words, words_version'
export const COURSES = 30
/** One in FAILED deliveries needs attention, and one in SEVERAL has a second course. */
const FAILED = 200
const SEVERAL = 10
/** The time between two deliveries in ms; the last one is received now. */
const APART_MS = 100
/** More than a search sorts in memory. */
const OLD = 20_000

/**
 * Returns a store on a SQLite file with `stored` deliveries for 30 courses. The last `due` are due and belong to this
 * replica. Of the others one in 200 needs attention, and the rest has succeeded. It inserts the rows directly, because
 * accepting a million deliveries one by one takes too long.
 */
export async function storeOf({ file, stored, due }: { file: string; stored: number; due: number }) {
  const database = openDatabase({ url: `sqlite:${file}`, serve: false })
  const now = Date.now
  await migrate({ database, now })
  const replicas = createReplicas({ database, newName: () => ME, deadAfterMs: 20_000 })
  await replicas.join()
  insertDeliveries({ file, stored, due })
  const store: Store = createStore({
    database,
    replicas,
    now,
    newId: createIds({ now }),
    random: Math.random,
    hasOutbox: false,
  })
  const context = { database, now, newId: createIds({ now }), random: Math.random, hasOutbox: false }
  return {
    store,
    operations: createOperations({
      context,
      guard: (work) => work(),
      replicas: () => 1,
      publish: () => {},
      onDue: () => {},
    }),
    bytes: statSync(file).size,
    close: async (): Promise<void> => {
      await database.close()
      for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true })
    },
  }
}

function insertDeliveries({ file, stored, due }: { file: string; stored: number; due: number }): void {
  const direct = new DatabaseSync(file)
  const insert = direct.prepare(`insert into deliveries (${COLUMNS}) values (${COLUMNS.replace(/\w+/g, '?')})`)
  const insertFurther = direct.prepare('insert into further_courses (delivery_id, course, active_at) values (?, ?, ?)')
  const insertWord = direct.prepare('insert into search_words (token, delivery_id) values (?, ?)')
  const first = Date.now() - stored * APART_MS
  const clock = { at: first }
  const newId = createIds({ now: () => clock.at })
  const done = JSON.stringify({ courses: { [courseKey(0)]: 'enrolled' }, reason: null })
  const failed = JSON.stringify({ courses: {}, reason: { code: 'course.missing', subject: courseKey(0) } })
  direct.exec('PRAGMA synchronous = OFF; BEGIN')
  for (let n = 0; n < stored; n++) {
    const isDue = n >= stored - due
    clock.at = first + n * APART_MS
    const isFailed = !isDue && n % FAILED === 7
    const { email, name, family, username, courseIds } = requestOf(n)
    const request = JSON.stringify(requestOf(n))
    const words = textOfWords([email, `${name} ${family}`, username])
    const id = newId()
    insert.run(
      id,
      createHash('sha256').update(request).digest('hex'),
      isDue ? 'queued' : isFailed ? 'needs_attention' : 'enrolled',
      isDue ? ME : null,
      isDue ? clock.at : null,
      0,
      clock.at,
      isDue ? null : clock.at,
      clock.at,
      emailOf(n),
      'original',
      Buffer.from(request),
      request,
      isDue ? null : isFailed ? failed : done,
      username,
      courseIds[0]?.toLowerCase() ?? null,
      isDue || isFailed ? null : clock.at,
      words,
      WORDS_VERSION,
    )
    for (const token of tokensOf(words)) insertWord.run(token, id)
    if (n % SEVERAL === 0) insertFurther.run(id, courseKey((n + 1) % COURSES).toLowerCase(), clock.at)
  }
  direct.exec('COMMIT')
  direct.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  direct.close()
}

/** The first buyers have a name of their own, one in 50 of the others has another one, and the rest share a third. */
const familyOf = (number: number): string =>
  number < OLD ? 'Curie' : number % 50 === 0 ? 'Hopper' : `Lovelace Byron${number % 5000}`

export const requestOf = (number: number) => ({
  email: emailOf(number),
  name: 'Ada',
  family: familyOf(number),
  username: `buyer${number}`,
  courseIds: [courseKey(number % COURSES)],
})
