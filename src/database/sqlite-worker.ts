import { parentPort, workerData } from 'node:worker_threads'
import { openWriteConnection } from './sqlite-connection.ts'
import { createStatements } from './sqlite-statements.ts'
import type { WriteReply, WriteRequest } from './sqlite-writer.ts'

/**
 * The thread that owns the connection that writes, so that a slow disk holds up nothing but what is being stored. It
 * runs the statements that it gets, one after the other; sqlite-writer.ts is its other side. An error that isn't a
 * statement's ends the process.
 */
const connection = openWriteConnection(String(workerData))
const run = createStatements(connection)

function reply({ id, sql, parameters }: WriteRequest): WriteReply {
  try {
    // On a full disk SQLite rolls back by itself. The error of a second rollback would hide the reason.
    if (sql === 'rollback' && !connection.isTransaction) return { id, result: { rows: [], changes: null } }
    return { id, result: run(sql, parameters) }
  } catch (error) {
    const { message, ...details } = error instanceof Error ? error : new Error(String(error))
    return { id, error: { ...details, message } }
  }
}

parentPort?.on('message', (request: WriteRequest | null) => {
  if (request !== null) return parentPort?.postMessage(reply(request))
  connection.close()
  parentPort?.close()
})
