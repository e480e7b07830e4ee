import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, type Connection, openConnection } from './http-client.ts'

export interface Load {
  readonly seconds: number
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<string, number>>
  /** How long each answer took, in ms, in no order. */
  readonly latencies: readonly number[]
}

/** Counts answers as they come. */
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
 * So many senders on a connection each; every one sends its next request when it has the answer to the last. With
 * `pipeline` each has that many requests under way. Ends when `next` gives null and all answers are there; the time
 * begins when all connections are open.
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

/** Gives one after the other, then null. */
export function each<Item>(items: readonly Item[]): () => Item | null {
  let index = 0
  return () => items[index++] ?? null
}

/** Sends at even distances, whether the answers are there or not: on a free connection, or on a new one. */
export async function paced({
  streams,
  everyMs,
}: {
  /** One request of each in every step, the second half a step after the first, and so on. */
  streams: readonly { url: string; requests: readonly Uint8Array[] }[]
  everyMs: number
}): Promise<Load[]> {
  const runs = streams.map((stream) => ({ ...stream, tally: createTally(), free: [] as Connection[] }))
  const all: Connection[] = []
  const underWay: Promise<void>[] = []
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
      underWay.push(answered)
    }
  }
  await Promise.all(underWay)
  const seconds = (performance.now() - began) / 1000
  for (const connection of all) connection.close()
  return runs.map(({ tally }) => ({ seconds, statuses: tally.statuses, latencies: tally.latencies }))
}

/** The value below which this share of the values lies: 0.5 is the median. NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
