import type { TestContext } from 'node:test'
import { createIncidentWatch, type Seen } from '../../../src/operators/incidents/incidents.ts'
import { createNotifier, NOTIFY_TIMING, type Notified } from '../../../src/operators/notify/notifier.ts'
import { createTextPoster } from '../../../src/operators/notify/post-text.ts'
import type { Reason } from '../../../src/sale/types.ts'
import { accepted, arrival, needsAttention, type Replica, settled, setUp } from '../../queue/harness.ts'
import { startChat } from './chat.ts'

export const MINUTE_MS = 60_000
export const CONSOLE = 'https://lms.example.com/lernito/console/'

/** A replica with a notifier, on a clock that the test moves for all of them, and a receiver that all share. */
export async function setUpNotifier(t: TestContext, { console = CONSOLE }: { console?: string | null } = {}) {
  const bench = await setUp(t)
  const chat = await startChat(t)
  const { clock } = bench
  const monotonic = { at: 0 }
  const lms = { isBack: true, probes: 0 }
  const leader = { me: bench.me }

  const notifierOf = ({ context, replicas }: Replica) => {
    const notified: Notified[] = []
    let seen: Seen | null = null
    const { look: watch } = createIncidentWatch({ context, lms: () => seen, database: () => null })
    const options = {
      context: { ...context, hasOutbox: true },
      guard: <T>(work: () => Promise<T>): Promise<T> => work(),
      isLeader: () => leader.me === replicas.me(),
      post: createTextPoster({ url: chat.url, timeoutMs: 10_000 }),
      console,
      isLmsBack: async () => {
        lms.probes++
        return lms.isBack
      },
      onNotified: (one: Notified) => notified.push(one),
      timing: NOTIFY_TIMING,
      clock: () => monotonic.at,
      signal: new AbortController().signal,
    }
    const lookOnce = createNotifier(options)
    return {
      /** As the service does in two loops: records what its circuit breaker says, then looks for causes. */
      look: async (): Promise<void> => {
        await watch()?.()
        await lookOnce()
      },
      /** What its circuit breaker says from now on. The service records it within a second. */
      sees: async (lms: Seen | null): Promise<void> => {
        seen = lms
        await watch()?.()
      },
      notified,
    }
  }
  const mine = notifierOf(bench)

  /** Lets the time pass, with a look of each notifier every 10 s, as the service does; in long times it looks less often. */
  const pass = async (minutes: number, notifiers: readonly { look: () => Promise<void> }[] = [mine]): Promise<void> => {
    const stepMs = minutes > 20 ? 60_000 : minutes > 3 ? 30_000 : NOTIFY_TIMING.lookMs
    for (const end = monotonic.at + minutes * MINUTE_MS; monotonic.at < end; ) {
      clock.at += stepMs
      monotonic.at += stepMs
      for (const { look } of notifiers) await look()
    }
  }

  let people = 0
  /** A delivery that came to its reason now. Resolves to its id. */
  const fail = async (reason?: Reason, by: Replica = bench): Promise<string> => {
    const webhook = arrival({ email: `p${people++}@x.example` })
    if (reason?.code === 'payload.invalid') {
      const [rejected] = await by.store.write([accepted({ ...webhook, request: null, reason })])
      return rejected?.id ?? ''
    }
    const [{ id } = { id: '' }] = await by.store.write([accepted(webhook)])
    const settlement = needsAttention(id)
    const outcome = reason === undefined ? settlement.outcome : { courses: {}, reason }
    await by.store.write([settled({ ...settlement, outcome })])
    return id
  }
  const notices = () => bench.db.selectFrom('notices').selectAll().execute()
  await mine.look() // from here on, everything is news
  return { ...bench, ...mine, chat, lms, leader, notifierOf, mine, pass, fail, notices }
}
export type Bench = Awaited<ReturnType<typeof setUpNotifier>>
