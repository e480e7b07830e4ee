import { onMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the outbox again, on a server. */
await onMariaDb('the outbox on MariaDB', async (server) => {
  useDatabases(server.newDatabase)
  await import('./stored.test.ts')
  await import('./sending.test.ts')
  await import('./owner.test.ts')
  await import('./outbox-replicas.ts')
})
