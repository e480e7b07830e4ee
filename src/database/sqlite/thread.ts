import { once } from 'node:events'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ConnectionKind, StatementResult } from './connection.ts'

const PROGRAM = join(import.meta.dirname, `thread-program${extname(import.meta.filename)}`)

/** What the thread opens. */
export interface ThreadConnection {
  readonly file: string
  readonly to: ConnectionKind
}

export interface StatementRequest {
  readonly id: number
  readonly sql: string
  readonly parameters: readonly unknown[]
}

export type StatementReply =
  | { readonly id: number; readonly result: StatementResult }
  /** The message, the stack and the other properties of SQLite's error. */
  | { readonly id: number; readonly error: { readonly message: string; readonly stack: string | undefined } }

/**
 * Opens a connection in a thread of its own. What it gets runs in order, and holds up nothing else. The thread starts with
 * the first call: many commands need none. If the thread can't work, this process ends with its error.
 */
export function connectInThread(opened: ThreadConnection) {
  const waiting = new Map<number, PromiseWithResolvers<StatementResult>>()
  let worker: Worker | null = null
  let isClosed = false
  let count = 0

  const settle = (reply: StatementReply): void => {
    const statement = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (waiting.size === 0) worker?.unref() // it keeps the process alive only while it works
    if ('result' in reply) statement?.resolve(reply.result)
    else statement?.reject(Object.assign(new Error(reply.error.message), reply.error))
  }

  /** Nobody answers any more. What comes now or wasn't answered fails, as on a connection that is closed. */
  const end = (): void => {
    isClosed = true
    for (const { reject } of waiting.values()) reject(closed())
    waiting.clear()
  }

  const start = (): Worker => new Worker(PROGRAM, { workerData: opened }).on('message', settle).on('exit', end)

  return {
    /** Runs a statement. Rejects with SQLite's error. */
    run: async (sql: string, parameters: readonly unknown[]): Promise<StatementResult> => {
      if (isClosed) throw closed()
      worker ??= start()
      if (waiting.size === 0) worker.ref()
      const id = ++count
      const request: StatementRequest = { id, sql, parameters }
      worker.postMessage(request)
      const reply = Promise.withResolvers<StatementResult>()
      waiting.set(id, reply)
      return reply.promise
    },
    /** Closes the connection after what came before. Later calls are rejected. */
    close: async (): Promise<void> => {
      isClosed = true
      if (worker === null) return
      const ended = once(worker, 'exit')
      worker.ref()
      worker.postMessage(null)
      await ended
    },
  }
}

const closed = (): Error => new Error('the database is closed')
