import { extname, join } from 'node:path'
import type { RunTask, Tasks } from '../database/tasks.ts'
import { inTransaction, MOST_ATTEMPTS } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import { type IdBlock, idsOf } from '../sale/ids.ts'
import { type Attempt, beginAttempt } from './attempt.ts'
import { areStored } from './events.ts'
import { beatAs } from './replicas/heartbeat.ts'
import { type Write, type Written, writeAll } from './write.ts'

/**
 * The transactions of a webhook's way through the queue, as data: on SQLite they run in another thread. `me` is the
 * replica that writes.
 * - `write`: stores webhooks and results. `at`: its time, ms since 1970. `ids`: for the rows that it adds, `idsFor` of them.
 * - `begin`: records that attempts begin.
 */
export type InboxTask =
  | {
      readonly kind: 'write'
      readonly me: string
      readonly at: number
      readonly ids: IdBlock
      readonly hasOutbox: boolean
      readonly writes: readonly Write[]
    }
  | { readonly kind: 'begin'; readonly me: string; readonly attempts: readonly Attempt[] }

/**
 * If the others have pruned this replica, nothing is stored: `written` is null, and `begun`, the ids of the deliveries whose
 * attempt may begin, is empty.
 */
export type InboxTaskResult =
  | { readonly kind: 'write'; readonly written: Written[] | null }
  | { readonly kind: 'begin'; readonly begun: ReadonlySet<string> }

export type RunInboxTask = RunTask<InboxTask, InboxTaskResult>

/** A webhook gets an id and has at most two events. */
const IDS_FOR_A_WRITE = 3
/**
 * How many ids a task needs at most for these writes. A retry takes new ones: the transaction before it may have been
 * stored although its commit got no answer.
 */
export const idsFor = (writes: readonly Write[]): number => MOST_ATTEMPTS * IDS_FOR_A_WRITE * writes.length

/** Returns the function that runs a task in one transaction: see inTransaction for what it throws. */
export const runInboxTasks =
  (on: Pick<WriteContext, 'database' | 'random'>): RunInboxTask =>
  (task) =>
    task.kind === 'write' ? write(on, task) : begin(on, task)

/** These tasks for openWithTasks. */
export const INBOX_TASKS: Tasks<InboxTask, InboxTaskResult> = {
  program: join(import.meta.dirname, `write-thread${extname(import.meta.filename)}`),
  isUrgent: ({ kind }) => kind === 'begin', // a slot for calls to the LMS is idle until it is stored
  start: (database) => runInboxTasks({ database, random: Math.random }),
}

type Running = Pick<WriteContext, 'database' | 'random'>

async function write(
  { database, random }: Running,
  { me, at, ids, hasOutbox, writes }: Extract<InboxTask, { kind: 'write' }>,
): Promise<InboxTaskResult> {
  const newId = idsOf(ids)
  const written = await inTransaction({
    database,
    random,
    body: async (trx) => {
      if (!(await beatAs({ on: trx, dialect: database.dialect, me }))) return null
      return writeAll({ trx, at, me, newId, hasOutbox }, writes)
    },
    isStored: async (trx, before) =>
      areStored(
        trx,
        (before ?? []).flatMap(({ events }) => events),
      ),
  })
  return { kind: 'write', written }
}

async function begin(
  { database, random }: Running,
  { me, attempts }: Extract<InboxTask, { kind: 'begin' }>,
): Promise<InboxTaskResult> {
  const begun = await inTransaction<ReadonlySet<string>>({
    database,
    random,
    body: async (trx) => {
      const isMember = await beatAs({ on: trx, dialect: database.dialect, me })
      return isMember ? beginAttempt({ trx, me, attempts }) : new Set()
    },
    isStored: async () => false, // writing it twice does no harm
  })
  return { kind: 'begin', begun }
}
