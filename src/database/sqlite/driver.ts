import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type PrimitiveValueListNode,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { isBusy, type StatementResult } from './connection.ts'

type Run<Result> = (sql: string, parameters: readonly unknown[]) => Result

interface Connections {
  /** Runs a statement that only reads. */
  readonly read: Run<StatementResult | Promise<StatementResult>>
  /** Runs a statement on the connection that writes. */
  readonly write: Run<Promise<StatementResult>>
}

/** Of a database that only reads: in place of the connection that writes. */
export const refuseToWrite: Connections['write'] = () => Promise.reject(new Error('this connection only reads'))

/**
 * Kysely's dialect for a SQLite file with two connections: one reads, and one writes. A transaction is alone on the one
 * that writes. Reads outside of transactions don't wait for it, and see what is committed.
 */
export const sqliteDialect = (connections: Connections): Dialect => ({
  createDriver: () => createDriver(connections),
  createQueryCompiler: () => new ListCompiler(),
  createAdapter: () => new ConcurrentAdapter(),
  createIntrospector: (db) => new SqliteIntrospector(db),
})

/** SQLite takes 32,766 values in a statement. A longer list, such as the ids of all sales to one address, is one value. */
class ListCompiler extends SqliteQueryCompiler {
  protected override visitPrimitiveValueList(node: PrimitiveValueListNode): void {
    if (node.values.length <= LIST_MAX) super.visitPrimitiveValueList(node)
    else {
      this.append('(select value from json_each(')
      this.appendValue(JSON.stringify(node.values))
      this.append('))')
    }
  }
}
/** More than the columns of a table: the values of a row to insert are a list, too. */
const LIST_MAX = 1000

/** Otherwise Kysely makes a read wait for the end of each transaction. */
class ConcurrentAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

function createDriver({ read, write }: Connections): Driver {
  /** A transaction holds it, and so does a statement that writes outside of one. */
  const lock = createLock()
  /** The connections that are in a transaction, with what releases the lock. */
  const transactions = new Map<DatabaseConnection, Release>()

  const execute = async (
    connection: DatabaseConnection,
    { sql, parameters }: CompiledQuery,
  ): Promise<StatementResult> => {
    if (transactions.has(connection)) return write(sql, parameters)
    if (isRead(sql)) return read(sql, parameters)
    const release = await lock()
    try {
      const result = await write(sql, parameters)
      release()
      return result
    } catch (error) {
      release(error)
      throw error
    }
  }

  const end = (connection: DatabaseConnection, error?: unknown): void => {
    transactions.get(connection)?.(error)
    transactions.delete(connection)
  }

  return {
    init: async () => {},
    acquireConnection: async () => {
      const connection: DatabaseConnection = {
        executeQuery: async <Row>(query: CompiledQuery) => resultOf<Row>(await execute(connection, query)),
        streamQuery: () => {
          throw new Error('this dialect has no streams: read in steps')
        },
      }
      return connection
    },
    beginTransaction: async (connection) => {
      const release = await lock()
      transactions.set(connection, release)
      // A deferred one that begins with a read fails at once if a command has written since (SQLITE_BUSY_SNAPSHOT).
      await write('begin immediate', []).catch((error: unknown) => {
        end(connection, error)
        throw error
      })
    },
    commitTransaction: async (connection) => {
      await write('commit', []) // if it fails, Kysely rolls back
      end(connection)
    },
    rollbackTransaction: async (connection) => {
      await write('rollback', []).finally(() => end(connection))
    },
    releaseConnection: async () => {},
    destroy: async () => {}, // Kysely leaves it out if no statement ran: sqlite.ts closes the connections
  }
}

/** Ends a hold of the lock; with the error of a write that failed. */
type Release = (error?: unknown) => void

/**
 * Returns a function that waits for the lock and resolves to what releases it, to be called once. It has one holder at a
 * time, in the order in which they ask. Who waits while another program keeps the file locked from the holder rejects with
 * the holder's error, because it has waited for the same.
 */
function createLock(): () => Promise<Release> {
  let last = Promise.resolve()
  let asked = 0
  let locked: { readonly upTo: number; readonly error: unknown } | null = null
  return async () => {
    const number = ++asked
    const before = last
    const { promise, resolve } = Promise.withResolvers<void>()
    last = promise
    await before
    if (locked !== null && number <= locked.upTo) {
      resolve()
      throw locked.error
    }
    return (error) => {
      if (isBusy(error)) locked = { upTo: asked, error }
      resolve()
    }
  }
}

/** The connection that reads refuses everything else, such as an insert after `with`. */
const isRead = (sql: string): boolean => /^\s*(?:select|with)\b/i.test(sql)

function resultOf<Row>({ rows, changes }: StatementResult): QueryResult<Row> {
  return { rows: rows as Row[], ...(changes === null ? {} : { numAffectedRows: BigInt(changes) }) }
}
