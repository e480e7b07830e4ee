import { onMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the catalogue again, on a server. */
await onMariaDb('the catalogue on MariaDB', async (server) => {
  useDatabases(server.newDatabase)
  await import('./catalogue.test.ts')
  await import('./changes.test.ts')
})
