import { once } from 'node:events'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { StatementResult } from './sqlite-statements.ts'

export interface WriteRequest {
  readonly id: number
  readonly sql: string
  readonly parameters: readonly unknown[]
}

export type WriteReply =
  | { readonly id: number; readonly result: StatementResult }
  /** The message and the other properties of SQLite's error. */
  | { readonly id: number; readonly error: { readonly message: string } }

interface Waiting {
  readonly resolve: (result: StatementResult) => void
  readonly reject: (error: Error) => void
}

/** The connection that writes, in a thread of its own. */
export interface SqliteWriter {
  /** Runs a statement after those before it. Rejects with SQLite's error. */
  run(sql: string, parameters: readonly unknown[]): Promise<StatementResult>
  /** Closes the connection after the statements before it. Later ones are rejected. */
  close(): Promise<void>
}

/**
 * Returns a writer for `file`. Its thread starts with the first statement: many commands only read. If the thread can't
 * work, this process ends with its error.
 */
export function createWriter(file: string): SqliteWriter {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | null = null
  let isClosed = false
  let count = 0

  const settle = (reply: WriteReply): void => {
    const caller = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (waiting.size === 0) worker?.unref() // it keeps the process alive only while a statement runs
    if ('result' in reply) caller?.resolve(reply.result)
    else caller?.reject(Object.assign(new Error(reply.error.message), reply.error))
  }

  const start = (): Worker => {
    const program = join(import.meta.dirname, `sqlite-worker${extname(import.meta.filename)}`)
    return new Worker(program, { workerData: file }).on('message', settle).on('exit', end)
  }

  /** Nobody answers any more. What comes now or wasn't answered fails, as on a connection that is closed. */
  const end = (): void => {
    isClosed = true
    for (const { reject } of waiting.values()) reject(closed())
    waiting.clear()
  }

  return {
    run: (sql, parameters) =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(closed())
        worker ??= start()
        if (waiting.size === 0) worker.ref()
        const id = ++count
        waiting.set(id, { resolve, reject })
        worker.postMessage({ id, sql, parameters } satisfies WriteRequest)
      }),
    close: async () => {
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
