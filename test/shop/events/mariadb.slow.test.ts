import { after, test } from 'node:test'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the outbox again, on a server. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./stored.test.ts')
  await import('./sending.test.ts')
  await import('./owner.test.ts')
  await import('./outbox-replicas.ts')
} else {
  test('the outbox on MariaDB', { skip: HOW_TO_RUN })
}
