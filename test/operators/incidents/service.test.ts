import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDatabase } from '../../../src/database/database.ts'
import { listIncidents } from '../../../src/operators/incidents/incidents.ts'
import { startProduct } from '../../harness.ts'
import { until } from '../../service/process.ts'

test('the service records when the LMS was away, how many sales waited, and when the last of them was enrolled', async (t) => {
  const product = await startProduct({})
  const database = openDatabase({ url: `sqlite:${join(product.folder, 'lernito.db')}`, serve: false })
  t.after(async () => {
    await database.close()
    await product.stop()
  })
  const only = async () => (await listIncidents(database.db, { now: Date.now() })).items[0]
  await product.lms.faults([{ status: 503 }])
  await product.sell({ email: 'alice@example.com' })
  const began = await until('the incident', only)
  assert.deepEqual([began.kind, began.to], ['down', null])
  assert.match(began.cause, /503/)
  await product.lms.noFaults()
  const ended = await until('its end', async () => {
    const incident = await only()
    return incident?.to && incident.lastEnrolledAt ? incident : undefined
  })
  assert.deepEqual([ended.sales, ended.counts.queued], [1, 0])
})
