import { parentPort, workerData } from 'node:worker_threads'
import { Kysely } from 'kysely'
import { createLock } from '../lock.ts'
import type { Tables } from '../schema.ts'
import type { Tasks } from '../tasks.ts'
import { openWriteConnection } from './connection.ts'
import { SQLITE_DIALECT } from './dialect.ts'
import { sqliteDialect } from './driver.ts'
import { createStatements, type StatementResult } from './statements.ts'
import type { WriteReply, WriteRequest } from './writer.ts'

/**
 * Runs in the thread that owns the connection that writes, so that a slow disk holds up nothing but what is being
 * stored. Runs the statements and the tasks that it gets, one after the other; sqlite-writer.ts is its other side. An
 * error that isn't one of theirs ends the process.
 */
export function serveWriter<Task, Result>({ start }: Pick<Tasks<Task, Result>, 'start'>): void {
  const connection = openWriteConnection(String(workerData))
  const statements = createStatements(connection)

  const run = (sql: string, parameters: readonly unknown[]): StatementResult => {
    // On a full disk SQLite rolls back by itself. The error of a second rollback would hide the reason.
    if (sql === 'rollback' && !connection.isTransaction) return { rows: [], changes: null }
    return statements(sql, parameters)
  }
  const dialect = sqliteDialect({
    read: run,
    write: async (sql, parameters) => run(sql, parameters),
    lock: createLock(),
  })
  const runTask = start({ db: new Kysely<Tables>({ dialect }), dialect: SQLITE_DIALECT })

  const answer = async (request: WriteRequest<Task>): Promise<WriteReply<Result>> => {
    const { id } = request
    try {
      if ('task' in request) return { id, done: await runTask(request.task) }
      return { id, result: run(request.sql, request.parameters) }
    } catch (error) {
      const { message, stack, ...details } = error instanceof Error ? error : new Error(String(error))
      return { id, error: { ...details, message, stack } }
    }
  }

  /** null: close. */
  const handle = async (request: WriteRequest<Task> | null): Promise<void> => {
    if (request !== null) return parentPort?.postMessage(await answer(request))
    connection.close()
    parentPort?.close()
  }

  let last = Promise.resolve()
  parentPort?.on('message', (request: WriteRequest<Task> | null) => {
    last = last.then(() => handle(request))
  })
}
