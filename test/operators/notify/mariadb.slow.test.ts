import { onMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs those tests of the notifications again that depend on the database, on a server, and those of real replicas. */
await onMariaDb('test/operators/notify on MariaDB', async (server) => {
  useDatabases(server.newDatabase)
  await import('./sending.test.ts')
  await import('./query-plans.slow.test.ts')
  await import('./notify-replicas.ts')
})
