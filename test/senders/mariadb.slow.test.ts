import { after, test } from 'node:test'
import { useDatabases } from '../inbox/harness.ts'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../mariadb.ts'

/** Runs the tests of the table of senders again on a server. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./senders.test.ts')
} else {
  test('test/senders on MariaDB', { skip: HOW_TO_RUN }, () => {})
}
