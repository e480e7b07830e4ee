import { after, test } from 'node:test'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../../mariadb.ts'
import { useDatabases } from '../../queue/harness.ts'

/** Runs the tests of the table of senders again on a server. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./senders.test.ts')
} else {
  test('test/shop/senders on MariaDB', { skip: HOW_TO_RUN }, () => {})
}
