import { createHash } from 'node:crypto'
import type { Store, Write } from '../src/queue/store.ts'
import { requestOf } from './fill/deliveries.ts'

/** The inbox claims in the same way: it reads a page of the list of due rows, then these rows. */
export const PAGE = 200
export const GROUP = 50
/** Higher than the number of any stored delivery. */
const NEW = 1_000_000_000

/** The time to read a page of due rows and then these rows, in ms. */
export async function timeOfClaim(store: Store): Promise<number> {
  const began = performance.now()
  const due = await store.due({ limit: PAGE })
  const { deliveries: rows } = await store.readClaimed(due.map(({ id }) => id))
  const ms = performance.now() - began
  if (rows.length !== PAGE) throw new Error(`a claim gave ${rows.length} deliveries`)
  return ms
}

/** The time of a group commit of new deliveries, with its fsync, in ms. Each round must have another number. */
export async function timeOfAccept(store: Store, round: number): Promise<number> {
  const writes = Array.from({ length: GROUP }, (_, n): Write => {
    const request = requestOf(NEW + round * GROUP + n)
    const body = Buffer.from(JSON.stringify(request))
    const digest = createHash('sha256').update(body).digest('hex')
    return { kind: 'accept', webhook: { digest, form: 'original', body, request, reason: null } }
  })
  const began = performance.now()
  await store.write(writes)
  return performance.now() - began
}

/** The time of a group commit of results for the oldest due deliveries, with its fsync, in ms. */
export async function timeOfSettle(store: Store): Promise<number> {
  const due = await store.due({ limit: GROUP })
  const outcome = { courses: { [requestOf(0).courseIds[0] ?? '']: 'enrolled' }, reason: null } as const
  const writes = due.map(({ id }): Write => {
    const settlement = {
      id,
      state: 'enrolled',
      outcome,
      generation: 0,
      effectUnknown: false,
      dueAt: null,
      attempts: 0,
      detail: 'enrolled',
    } as const
    return { kind: 'settle', settlement, owner: store.me() }
  })
  const began = performance.now()
  await store.write(writes)
  return performance.now() - began
}
