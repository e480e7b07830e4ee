import { serveWriter } from '../database/sqlite/thread.ts'
import { INBOX_TASKS } from './transactions.ts'

/** The program of the thread that writes to SQLite for a service. */
serveWriter(INBOX_TASKS)
