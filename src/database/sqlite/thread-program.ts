import { parentPort, workerData } from 'node:worker_threads'
import { createStatements, openConnection, type StatementResult } from './connection.ts'
import type { StatementReply, StatementRequest, ThreadConnection } from './thread.ts'

/**
 * The program of a thread that owns a connection. It runs the statements that it gets, one after the other; thread.ts is
 * its other side. An error that isn't SQLite's ends the process.
 */
const { file, to }: ThreadConnection = workerData
const connection = openConnection(file, to)
const statements = createStatements(connection)

function run({ sql, parameters }: StatementRequest): StatementResult {
  // On a full disk SQLite rolls back by itself. The error of a second rollback would hide the reason.
  if (sql === 'rollback' && !connection.isTransaction) return { rows: [], changes: null }
  return statements(sql, parameters)
}

function answer(request: StatementRequest): StatementReply {
  const { id } = request
  try {
    return { id, result: run(request) }
  } catch (error) {
    const { message, stack, ...details } = error instanceof Error ? error : new Error(String(error))
    return { id, error: { ...details, message, stack } }
  }
}

/** null: close. */
parentPort?.on('message', (request: StatementRequest | null) => {
  if (request !== null) return parentPort?.postMessage(answer(request))
  connection.close()
  parentPort?.close()
})
