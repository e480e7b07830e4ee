import { parentPort, workerData } from 'node:worker_threads'
import { createStatements, openConnection, type StatementResult } from './connection.ts'
import type { WriteReply, WriteRequest } from './writer.ts'

/**
 * The program of the thread that owns the connection that writes, so that a slow disk holds up nothing but what is being
 * stored. It runs the statements that it gets, one after the other; writer.ts is its other side. An error that isn't
 * SQLite's ends the process.
 */
const connection = openConnection(String(workerData), 'write')
const statements = createStatements(connection)

function run({ sql, parameters }: WriteRequest): StatementResult {
  // On a full disk SQLite rolls back by itself. The error of a second rollback would hide the reason.
  if (sql === 'rollback' && !connection.isTransaction) return { rows: [], changes: null }
  return statements(sql, parameters)
}

function answer(request: WriteRequest): WriteReply {
  const { id } = request
  try {
    return { id, result: run(request) }
  } catch (error) {
    const { message, stack, ...details } = error instanceof Error ? error : new Error(String(error))
    return { id, error: { ...details, message, stack } }
  }
}

/** null: close. */
parentPort?.on('message', (request: WriteRequest | null) => {
  if (request !== null) return parentPort?.postMessage(answer(request))
  connection.close()
  parentPort?.close()
})
