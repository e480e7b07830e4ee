import type { TestContext } from 'node:test'
import type { State } from '../harness.ts'
import { within } from './docker.ts'
import type { Load, Reply, Shop } from './shop.ts'

interface Lms {
  readonly state: () => Promise<State>
}

/** The people who are enrolled, or will be when they activate their account. */
const served = ({ enrollments, allowances }: State): Set<string> =>
  new Set([...enrollments.filter(({ active }) => active), ...allowances].map(({ email }) => email))

/** Waits up to 60 seconds until all of these have their course. */
export const untilServed = (lms: Lms, emails: readonly string[]): Promise<true> =>
  within<true>(60, 'the enrollment of everyone who was accepted', async () => {
    const has = served(await lms.state())
    const lost = emails.filter((email) => !has.has(email))
    if (lost.length > 0) throw new Error(`${lost.length} of ${emails.length} have no course, such as ${lost[0]}`)
    return true
  })

/** A proxy holds a request back for 13 seconds while no service is ready. On a slow machine, a start may take longer. */
const HELD_BACK_MS = 12_000

/** The replies that are no 200, except to a request that was held back for as long as the proxy does it. */
export const refusedEarly = (replies: readonly Reply[]): Reply[] =>
  replies.filter(({ status, tookMs }) => status !== 200 && tookMs < HELD_BACK_MS)

/** Sells before, during and after `change`. Everyone whose sale was accepted has the course. Returns all replies. */
export async function sellDuring({
  t,
  shop,
  lms,
  name,
  change,
}: {
  t: TestContext
  shop: Shop
  lms: Lms
  name: string
  change: (load: Load) => Promise<unknown>
}): Promise<Reply[]> {
  const load = shop.open(name)
  const more = (count: number): Promise<true> =>
    within(60, `${count} sales`, async () => load.accepted.length >= count || undefined)
  try {
    await more(20)
    const began = performance.now()
    await change(load)
    t.diagnostic(`the change took ${Math.round(performance.now() - began)} ms`)
    await more(load.accepted.length + 20)
  } finally {
    await load.stop()
  }
  await untilServed(lms, load.accepted)
  const counts = Object.groupBy(load.replies, ({ status }) => String(status))
  const text = Object.entries(counts).map(([status, of]) => `${of?.length} × ${status}`)
  t.diagnostic(`${load.accepted.length} sales: ${text.join(', ')}; the slowest took ${load.slowest()} ms`)
  return load.replies
}
