import { after, test } from 'node:test'
import { useDatabases } from '../inbox/harness.ts'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../mariadb.ts'

/** Runs the tests of the follow-up again, on a server. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./change.test.ts')
  await import('./store-checks.test.ts')
  await import('./check-now.test.ts')
  await import('./follow-up.test.ts')
  await import('./query-plans.slow.test.ts')
  await import('./reconcile.test.ts')
  await import('./round.test.ts')
  await import('../replicas/guest.slow.test.ts')
  await import('../replicas/task-lease.slow.test.ts')
} else {
  test('test/follow-up on MariaDB', { skip: HOW_TO_RUN }, () => {})
}
