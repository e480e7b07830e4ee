import { onMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the follow-up again, on a server. */
await onMariaDb('test/enroll/follow-up on MariaDB', async (server) => {
  useDatabases(server.newDatabase)
  await import('./store-checks.test.ts')
  await import('./check-now.test.ts')
  await import('./ended.test.ts')
  await import('./follow-up.test.ts')
  await import('./outcomes.test.ts')
  await import('./query-plans.slow.test.ts')
  await import('./reconcile.test.ts')
  await import('./round.test.ts')
  await import('../../queue/replicas/guest.slow.test.ts')
})
