import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, type Connection, openConnection } from './http-client.ts'

export interface Load {
  readonly seconds: number
  /** The number of answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** The duration of each answer in ms, unordered. */
  readonly latencies: readonly number[]
}

/** Counts answers. */
export function createTally() {
  const statuses: Record<string, number> = {}
  const latencies: number[] = []
  return {
    statuses,
    latencies,
    add: ({ status, ms }: Pick<Answer, 'status' | 'ms'>): void => {
      statuses[status] = (statuses[status] ?? 0) + 1
      latencies.push(ms)
    },
  }
}

/**
 * Sends requests from `senders` connections. Each sends its next request after the answer to the previous one, or keeps
 * `pipeline` requests in flight. Ends when `next` returns null and all answers have arrived. The time starts when all
 * connections are open.
 */
export async function load({
  url,
  senders,
  pipeline = 1,
  next,
}: {
  url: string
  senders: number
  pipeline?: number
  next: () => Uint8Array | null
}): Promise<Load> {
  const tally = createTally()
  const connections = await Promise.all(Array.from({ length: senders }, () => openConnection(url)))
  const lane = async (connection: Connection): Promise<void> => {
    for (let request = next(); request !== null; request = next()) tally.add(await connection.send(request))
  }
  const began = performance.now()
  await Promise.all(connections.flatMap((connection) => Array.from({ length: pipeline }, () => lane(connection))))
  const seconds = (performance.now() - began) / 1000
  for (const connection of connections) connection.close()
  return { seconds, statuses: tally.statuses, latencies: tally.latencies }
}

/** Returns a function that returns the items in order, then null. */
export function each<Item>(items: readonly Item[]): () => Item | null {
  let index = 0
  return () => items[index++] ?? null
}

/** Sends at a constant rate, without waiting for answers: on an idle connection, or on a new one. */
export async function paced({
  streams,
  everyMs,
}: {
  /** Each step sends one request of each stream, evenly spaced within the step. */
  streams: readonly { url: string; requests: readonly Uint8Array[] }[]
  everyMs: number
}): Promise<Load[]> {
  const runs = streams.map((stream) => ({ ...stream, tally: createTally(), free: [] as Connection[] }))
  const all: Connection[] = []
  const inFlight: Promise<void>[] = []
  const steps = Math.max(...streams.map(({ requests }) => requests.length))
  const began = performance.now()
  for (let step = 0; step < steps; step++) {
    for (const [index, { url, requests, tally, free }] of runs.entries()) {
      const at = began + (step + index / runs.length) * everyMs
      await delay(Math.max(0, at - performance.now()))
      const request = requests[step]
      if (request === undefined) continue
      const connection = free.pop() ?? (await openConnection(url))
      if (!all.includes(connection)) all.push(connection)
      const answered = connection.send(request).then((answer) => {
        tally.add(answer)
        free.push(connection)
      })
      inFlight.push(answered)
    }
  }
  await Promise.all(inFlight)
  const seconds = (performance.now() - began) / 1000
  for (const connection of all) connection.close()
  return runs.map(({ tally }) => ({ seconds, statuses: tally.statuses, latencies: tally.latencies }))
}

/** Returns the quantile of the values: a share of 0.5 is the median. NaN if there are no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
