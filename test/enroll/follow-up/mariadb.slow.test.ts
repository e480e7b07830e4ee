import { after, test } from 'node:test'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the follow-up again, on a server. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./change.test.ts')
  await import('./store-checks.test.ts')
  await import('./check-now.test.ts')
  await import('./ended.test.ts')
  await import('./follow-up.test.ts')
  await import('./outcomes.test.ts')
  await import('./query-plans.slow.test.ts')
  await import('./reconcile.test.ts')
  await import('./round.test.ts')
  await import('../../queue/replicas/guest.slow.test.ts')
} else {
  test('test/enroll/follow-up on MariaDB', { skip: HOW_TO_RUN }, () => {})
}
