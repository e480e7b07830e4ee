import { onMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the table of senders again on a server. */
await onMariaDb('test/shop/senders on MariaDB', async (server) => {
  useDatabases(server.newDatabase)
  await import('./senders.test.ts')
})
