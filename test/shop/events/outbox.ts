import type { TestContext } from 'node:test'
import { outboxRow } from '../../../src/queue/outbox/outbox.ts'
import { reasonColumns } from '../../../src/queue/rows.ts'
import { createIds } from '../../../src/sale/ids.ts'
import type { DeliveryState } from '../../../src/sale/types.ts'
import { createWakeUp } from '../../../src/service/lib/loop.ts'
import { runOutbox, type SentReport } from '../../../src/shop/events/run-outbox.ts'
import { type Replica, setUp as setUpInbox } from '../../queue/harness.ts'
import { until } from '../../service/process.ts'
import { EVENTS_SECRET, type Receiver, startReceiver } from './receiver.ts'

/**
 * A database with an outbox, and the loop that sends it. The clock stands still until a test moves it, so no retry comes
 * by itself.
 */
export async function setUpOutbox(t: TestContext) {
  const bench = await setUpInbox(t, { hasOutbox: true })
  bench.clock.at = Date.now() // receivers compare the time of a signature with theirs
  const newId = createIds({ now: () => bench.clock.at })
  let inserted = 0
  const insert = async (delivery: string, kind: 'enrolled' | 'withdrawn' = 'enrolled'): Promise<string> => {
    const id = newId()
    const state: DeliveryState = kind
    const row = { id: delivery, webhook_id: null, state, ...reasonColumns(null), lines: [] } as const
    const full = {
      ...row,
      received_at: bench.clock.at,
      source: 'shop',
      replaces: null,
      replaced_by: null,
      ended_at: null,
      kept: [],
    } as const
    await bench.db
      .insertInto('outbox')
      .values(outboxRow({ id, seq: ++inserted, kind, detail: '', at: bench.clock.at, row: full }))
      .execute()
    return id
  }
  const unsent = (of: Pick<Replica, 'db'> = bench) => of.db.selectFrom('outbox').selectAll().orderBy('id').execute()
  return {
    ...bench,
    insert,
    unsent,
    endpoint: () => bench.db.selectFrom('endpoints').selectAll().executeTakeFirstOrThrow(),
    /** Waits until the endpoint has this state and no event is being sent. */
    untilState: (state: 'up' | 'down' | 'gone') =>
      until(`the state ${state}`, async () => {
        const row = await bench.db.selectFrom('endpoints').selectAll().executeTakeFirst()
        const isIdle = (await bench.rows('holds')).length === 0
        return row?.state === state && isIdle ? true : undefined
      }),
    /** Moves the clock, and wakes every loop. */
    advance: (ms: number, loops: readonly Pick<Loop, 'wake'>[]) => {
      bench.clock.at += ms
      for (const { wake } of loops) wake()
    },
    untilSent: () => until('the end of the backlog', async () => (await unsent()).length === 0 || undefined),
  }
}
type OutboxBench = Awaited<ReturnType<typeof setUpOutbox>>

/** A receiver whose clock is the bench's. */
export const receiverAt = (t: TestContext, { clock }: Pick<OutboxBench, 'clock'>): Promise<Receiver> =>
  startReceiver(t, { now: () => clock.at })

/** Starts the loop of one replica; the end of the test stops it. */
export function startLoop(
  t: TestContext,
  { context, replicas }: Pick<Replica, 'context' | 'replicas'>,
  { url, timeoutMs = 15_000, maySend }: { url: string; timeoutMs?: number; maySend?: () => AbortSignal },
) {
  const stopping = new AbortController()
  const never = new AbortController()
  const wakeUp = createWakeUp()
  const reports: SentReport[] = []
  const errors: unknown[] = []
  const ended = runOutbox({
    context,
    replicas: { holds: replicas.holds, lease: { signal: maySend ?? (() => never.signal) } },
    guard: (work) => work(),
    url,
    secret: EVENTS_SECRET,
    timeoutMs,
    wakeUp,
    onSent: (report) => reports.push(report),
    onError: (error) => errors.push(error),
    signal: stopping.signal,
  })
  const stop = async (): Promise<void> => {
    stopping.abort()
    await ended
  }
  t.after(stop)
  return {
    reports,
    errors,
    wake: wakeUp.wake,
    stop,
    reported: (count: number) => until(`${count} attempts`, () => (reports.length >= count ? true : undefined)),
  }
}
export type Loop = ReturnType<typeof startLoop>
