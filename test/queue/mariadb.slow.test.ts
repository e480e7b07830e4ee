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
  await import('../operators/changes/bulk-correction.test.ts')
  await import('../operators/changes/bulk-replay.test.ts')
  await import('../database/clock.test.ts')
  await import('../operators/changes/query-plans.slow.test.ts')
  await import('../operators/changes/forget.test.ts')
  await import('./shop-answers.test.ts')
  await import('../operators/find/find.test.ts')
  await import('../operators/reports/reports.test.ts')
  await import('../operators/incidents/incidents.test.ts')
  await import('./inbox.test.ts')
  await import('./inbox-pause.test.ts')
  await import('./inbox-replicas.ts')
  await import('./claim.test.ts')
  await import('../operators/changes/listing.test.ts')
  await import('../database/migrations/migrations.slow.test.ts')
  await import('../operators/changes/outdated.test.ts')
  await import('../operators/changes/overview.test.ts')
  await import('../operators/changes/people.test.ts')
  await import('./query-plans.slow.test.ts')
  await import('../operators/changes/replay.test.ts')
  await import('./replicas/replicas.slow.test.ts')
  await import('./retention.test.ts')
  await import('./settle.test.ts')
  await import('../enroll/withdraw/store-refund.test.ts')
  await import('./store.test.ts')
  await import('../operators/changes/timeline.test.ts')
  await import('../database/write-failures.test.ts')
  await import('./unreadable.test.ts')
  await import('./webhook-id.test.ts')
} else {
  test('test/queue and test/queue/replicas on MariaDB', { skip: HOW_TO_RUN }, () => {})
}
