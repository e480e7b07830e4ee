import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { RunTask } from '../tasks.ts'
import type { StatementResult } from './statements.ts'

export type WriteRequest<Task> =
  | { readonly id: number; readonly sql: string; readonly parameters: readonly unknown[] }
  | { readonly id: number; readonly task: Task }

export type WriteReply<Result> =
  | { readonly id: number; readonly result: StatementResult }
  | { readonly id: number; readonly done: Result }
  /** The message, the stack and the other properties of the error, which is SQLite's or the task's. */
  | { readonly id: number; readonly error: { readonly message: string; readonly stack: string | undefined } }

interface Waiting<Value> {
  readonly resolve: (value: Value) => void
  readonly reject: (error: Error) => void
}

/** The connection that writes, in a thread of its own. What it gets runs in order. */
export interface SqliteWriter<Task, Result> {
  /** Runs a statement. Rejects with SQLite's error. */
  readonly run: (sql: string, parameters: readonly unknown[]) => Promise<StatementResult>
  /** Runs a task, which may be in no transaction of `run`. Rejects with the task's error. */
  readonly runTask: RunTask<Task, Result>
  /** Closes the connection after what came before. Later calls are rejected. */
  close(): Promise<void>
}

/**
 * Returns a writer for `file`. Its thread runs `program` and starts with the first call: many commands only read. If the
 * thread can't work, this process ends with its error.
 */
export function createWriter<Task, Result>({
  file,
  program,
}: {
  file: string
  program: string
}): SqliteWriter<Task, Result> {
  const statements = new Map<number, Waiting<StatementResult>>()
  const tasks = new Map<number, Waiting<Result>>()
  let worker: Worker | null = null
  let isClosed = false
  let count = 0

  const settle = (reply: WriteReply<Result>): void => {
    const { id } = reply
    const [statement, task] = [statements.get(id), tasks.get(id)]
    statements.delete(id)
    tasks.delete(id)
    if (statements.size + tasks.size === 0) worker?.unref() // it keeps the process alive only while it works
    if ('result' in reply) statement?.resolve(reply.result)
    else if ('done' in reply) task?.resolve(reply.done)
    else (statement ?? task)?.reject(Object.assign(new Error(reply.error.message), reply.error))
  }

  /** Nobody answers any more. What comes now or wasn't answered fails, as on a connection that is closed. */
  const end = (): void => {
    isClosed = true
    for (const { reject } of [...statements.values(), ...tasks.values()]) reject(closed())
    statements.clear()
    tasks.clear()
  }

  const start = (): Worker => new Worker(program, { workerData: file }).on('message', settle).on('exit', end)

  const post = <Value>(waiting: Map<number, Waiting<Value>>, request: (id: number) => WriteRequest<Task>) =>
    new Promise<Value>((resolve, reject) => {
      if (isClosed) return reject(closed())
      worker ??= start()
      if (statements.size + tasks.size === 0) worker.ref()
      const id = ++count
      worker.postMessage(request(id))
      waiting.set(id, { resolve, reject })
    })

  return {
    run: (sql, parameters) => post(statements, (id) => ({ id, sql, parameters })),
    runTask: (task) => post(tasks, (id) => ({ id, task })),
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
