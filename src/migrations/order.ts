import { type Migration, STATES_LEVEL } from './states.ts'

/** The order of a delivery's events, which no clock decides. What was stored before has 0, and comes first. */
export const ORDER_MIGRATIONS: readonly Migration[] = (
  [
    ['deliveries', 'last_event'],
    ['events', 'seq'],
    ['outbox', 'seq'],
  ] as const
).map(([table, column]) => ({
  oldestCode: STATES_LEVEL,
  up: (db) =>
    db.schema
      .alterTable(table)
      .addColumn(column, 'integer', (added) => added.notNull().defaultTo(0))
      .execute(),
}))
