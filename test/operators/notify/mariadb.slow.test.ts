import { after, test } from 'node:test'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs those tests of the notifications again that depend on the database, on a server, and those of real replicas. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./sending.test.ts')
  await import('./query-plans.slow.test.ts')
  await import('./notify-replicas.ts')
} else {
  test('test/operators/notify on MariaDB', { skip: HOW_TO_RUN }, () => {})
}
