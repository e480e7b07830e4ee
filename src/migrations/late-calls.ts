import { type Migration, STATES_LEVEL } from './states.ts'

/** Until when the LMS may still carry out a call of unknown effect. */
export const LATE_CALL_MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('deliveries').addColumn('lands_until', 'bigint').execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('withdrawals').addColumn('unenrolls_until', 'bigint').execute(),
  },
]
