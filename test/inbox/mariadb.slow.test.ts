import { after, test } from 'node:test'
import { HOW_TO_RUN, hasMariaDb, startMariaDb } from '../mariadb.ts'
import { useDatabases } from './harness.ts'

/** Runs the tests of the inbox again, on a server. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  useDatabases(server.newDatabase)
  await import('./accept.test.ts')
  await import('./attempt.test.ts')
  await import('../operations/bulk-replay.test.ts')
  await import('../database/clock.test.ts')
  await import('../operations/query-plans.slow.test.ts')
  await import('../operations/forget.test.ts')
  await import('../shop-answers/shop-answers.test.ts')
  await import('../search/find.test.ts')
  await import('../reports/reports.test.ts')
  await import('../incidents/incidents.test.ts')
  await import('./inbox.test.ts')
  await import('./inbox-pause.test.ts')
  await import('./inbox-replicas.ts')
  await import('./claim.test.ts')
  await import('../operations/listing.test.ts')
  await import('../migrations/migrations.slow.test.ts')
  await import('../operations/overview.test.ts')
  await import('../operations/people.test.ts')
  await import('./query-plans.slow.test.ts')
  await import('../operations/replay.test.ts')
  await import('../replicas/replicas.slow.test.ts')
  await import('../maintenance/retention.test.ts')
  await import('./settle.test.ts')
  await import('../withdrawal/store-refund.test.ts')
  await import('./store.test.ts')
  await import('../operations/timeline.test.ts')
  await import('../database/write-failures.test.ts')
  await import('./unreadable.test.ts')
  await import('./webhook-id.test.ts')
} else {
  test('test/inbox and test/replicas on MariaDB', { skip: HOW_TO_RUN }, () => {})
}
