import { onMariaDb } from '../mariadb.ts'
import { useDatabases } from '../queue/harness.ts'

/** Runs the tests of the outbox, the catalogue and the table of senders again, on a server. */
await onMariaDb('the outbox, the catalogue and the senders on MariaDB', async (server) => {
  useDatabases(server.newDatabase)
  await import('./events/stored.test.ts')
  await import('./events/sending.test.ts')
  await import('./events/owner.test.ts')
  await import('./events/outbox-replicas.ts')
  await import('./courses/catalogue.test.ts')
  await import('./courses/changes.test.ts')
  await import('./senders/senders.test.ts')
})
