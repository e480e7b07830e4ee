import type { AppContext } from '../../queue/open-inbox.ts'
import { type ClaimedEvent, claimEvents } from '../../queue/outbox/claim.ts'
import { openEndpoint } from '../../queue/outbox/endpoint.ts'
import { type Posted, type Stored, storeResult } from '../../queue/outbox/store-result.ts'
import type { Lease } from '../../queue/replicas/lease.ts'
import { isLeaseLost, isUnreachable } from '../../service/lib/errors.ts'
import { type Background, untilStored, type WakeUp } from '../../service/lib/loop.ts'
import { CONCURRENCY, createPoster, type Poster } from './post-event.ts'

/** Commands and other replicas store events too. An idle look costs two statements. */
const POLL_MS = 1000
/** At a stop, attempts in flight may take this much longer. */
const STOP_GRACE_MS = 3000

/** An attempt and what was stored for it. */
export interface SentReport extends Stored {
  readonly event: Pick<ClaimedEvent, 'id' | 'about' | 'type'>
  readonly posted: Exclude<Posted, { kind: 'stopped' }>
  readonly ms: number
}

interface Outbox extends Background, Pick<AppContext, 'context'> {
  readonly replicas: Pick<AppContext['replicas'], 'holds'> & { readonly lease: Pick<Lease, 'signal'> }
  /** LERNITO_EVENTS_URL. */
  readonly url: string
  /** LERNITO_EVENTS_SECRET. */
  readonly secret: string
  readonly timeoutMs?: number
  /** Woken when an event for the shop was stored. */
  readonly wakeUp: WakeUp
  /** Called after each attempt, when its result is stored. */
  readonly onSent: (report: SentReport) => void
}

/**
 * Sends the events in the outbox to the shop until the signal is aborted. Every replica runs this, and an event belongs
 * to one of them at a time. A replica can die at any point: until the row of an event is deleted, another one sends it
 * again, so the shop gets each event at least once.
 */
export async function runOutbox(from: Outbox): Promise<void> {
  const { context, replicas, guard, url, signal, onError, wakeUp } = from
  const poster = createPoster({ ...from, now: context.now })
  const report = (error: unknown): void => {
    if (!isUnreachable(error)) onError(error)
  }
  const stop = new AbortController()
  signal.addEventListener('abort', () => setTimeout(() => stop.abort(), STOP_GRACE_MS).unref(), { once: true })
  const inFlight = new Set<Promise<void>>()

  /** Begins to send what is due. Resolves to how many events that is. */
  const sendNext = async (): Promise<number> => {
    const max = CONCURRENCY - inFlight.size
    if (max === 0 || rightOf(from) === null) return 0
    const claimed = await guard(() => claimEvents({ context, holds: replicas.holds, max }))
    for (const event of claimed) {
      const sending = send(from, { event, poster, stop: stop.signal })
        .catch(report)
        .finally(() => {
          inFlight.delete(sending)
          wakeUp.wake()
        })
      inFlight.add(sending)
    }
    return claimed.length
  }

  let isOpen = false
  while (!signal.aborted) {
    const woken = wakeUp.listen()
    try {
      if (!isOpen) await guard(() => openEndpoint(context.database.db, url))
      isOpen = true
      if ((await sendNext()) > 0) continue
    } catch (error) {
      report(error)
    }
    await woken(POLL_MS, signal)
  }
  await Promise.all(inFlight)
  await poster.close()
}

/** @param of.stop ends the attempt */
async function send(
  from: Outbox,
  { event, poster, stop }: { event: ClaimedEvent; poster: Poster; stop: AbortSignal },
): Promise<void> {
  const { context, replicas, guard } = from
  const began = performance.now()
  const right = rightOf(from)
  const posted: Posted = right === null ? { kind: 'stopped' } : await poster.post(event, AbortSignal.any([stop, right]))
  const ms = Math.round(performance.now() - began)
  // The shop may have the event already.
  const store = (): Promise<Stored> =>
    guard(() => storeResult({ ...context, holds: replicas.holds }, { event, posted }))
  const stored = await untilStored(store, from)
  if (stored === null || posted.kind === 'stopped') return
  const { id, about, type } = event
  from.onSent({ ...stored, event: { id, about, type }, posted, ms })
}

/** The signal that ends this replica's right to send; null if it has none now. */
function rightOf({ replicas }: Outbox): AbortSignal | null {
  try {
    return replicas.lease.signal()
  } catch (error) {
    if (isLeaseLost(error)) return null
    throw error
  }
}
