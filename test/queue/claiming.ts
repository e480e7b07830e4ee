import assert from 'node:assert/strict'
import { arrival, type Replica } from './harness.ts'

const running = new AbortController().signal

export const submit = async ({ inbox }: Replica, email: string, order = 1): Promise<string> =>
  (await inbox.submit(arrival({ email, order }), null)).id

/** Waits until there is something to claim. */
export const claimIds = async ({ inbox }: Replica, max = 10, signal = running): Promise<string[]> =>
  (await inbox.claim(max, signal)).map(({ id }) => id)

/** Claims what is due now, without waiting. */
export async function claimNow(bench: Replica): Promise<string[]> {
  const stop = new AbortController()
  const claiming = claimIds(bench, 10, stop.signal)
  stop.abort() // a claim that has begun still ends
  return claiming
}

/** Begins the attempt of a delivery. */
export async function begin({ store }: Replica, id: string): Promise<void> {
  const deliveries = await store.readClaimed([id])
  assert.deepEqual(await store.beginAttempt(deliveries), new Set([id]))
}
