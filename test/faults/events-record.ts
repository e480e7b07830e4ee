import assert from 'node:assert/strict'
import { isShopEvent } from '../../src/queue/outbox/outbox.ts'
import { EVENTS_SECRET, type Receiver } from '../shop/events/receiver.ts'
import { reading, untilNone } from './load.ts'

/** The settings that turn events on. */
export const eventsEnv = ({ url }: Pick<Receiver, 'url'>): Record<string, string> => ({
  LERNITO_EVENTS_URL: url,
  LERNITO_EVENTS_SECRET: EVENTS_SECRET,
})

/** Waits until the outbox is empty, at most a minute. */
export const untilOutboxEmpty = (url: string): Promise<true> =>
  untilNone({ url, what: 'the end of the backlog', rows: (db) => db.selectFrom('outbox').select('id').execute() })

/**
 * Compares what the shop got with the timelines in the database: every committed event at least once, nothing else, and
 * the events of a delivery in order. Prints and returns the counts.
 */
export async function compareWithTimelines({
  url,
  receiver,
  name,
}: {
  url: string
  receiver: Receiver
  name: string
}): Promise<{ committed: number; repeated: number }> {
  const rows = await reading(url, (db) =>
    db.selectFrom('events').select(['id', 'delivery_id', 'kind']).orderBy('seq').orderBy('id').execute(),
  )
  const committed = rows.filter(({ kind }) => isShopEvent(kind))
  const arrived = new Set(receiver.all.map(({ webhookId }) => webhookId))
  assert.deepEqual(receiver.wrong, [])
  assert.deepEqual(
    committed.filter(({ id }) => !arrived.has(id)),
    [],
    'committed and not sent',
  )
  const known = new Set(committed.map(({ id }) => id))
  assert.deepEqual(
    [...arrived].filter((id) => !known.has(id)),
    [],
    'sent and not committed',
  )
  const firsts = Map.groupBy(
    [...new Map(receiver.all.map((one) => [one.webhookId, one.data.id]))],
    ([, delivery]) => delivery,
  )
  for (const [delivery, ofDelivery] of firsts) {
    const expected = committed.filter((row) => row.delivery_id === delivery).map(({ id }) => id)
    assert.deepEqual(
      ofDelivery.map(([id]) => id),
      expected,
      `the order of ${delivery}`,
    )
  }
  const repeated = receiver.all.length - arrived.size
  const counts = `events committed ${committed.length}, arrived ${arrived.size}, repeated ${repeated}, lost 0`
  process.stdout.write(`${name}: ${counts}\n`)
  return { committed: committed.length, repeated }
}
