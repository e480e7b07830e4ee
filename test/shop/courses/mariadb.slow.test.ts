import { after, test } from 'node:test'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the catalogue again, on a server. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./catalogue.test.ts')
  await import('./changes.test.ts')
} else {
  test('the catalogue on MariaDB', { skip: HOW_TO_RUN })
}
