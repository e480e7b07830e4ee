import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Store, Write } from '../../src/queue/store.ts'
import { requestOf } from '../fill/deliveries.ts'
import { filledSqlite } from '../fill/open-filled.ts'
import { quantile } from '../load.ts'
import { type Row, round } from '../row.ts'

const FEW = 1_000
const MANY = 1_000_000
const DUE = 500
const APART_MS = 100
const ROUNDS = 300
const GROUPS = 30
/** The inbox claims in the same way: it reads a page of the list of due rows, then these rows. */
const PAGE = 200
const GROUP = 50
/** Higher than the number of any stored delivery. */
const NEW = 1_000_000_000

export const claim: Row = {
  name: 'claim',
  title: 'time of a claim at 10^6 stored deliveries / at 10^3',
  goal: { at: 'most', value: 1.5, unit: 'times' },
  takes: 60,
  run: async ({ folder }) => {
    const few = await filledSqlite({ folder: join(folder, 'few'), stored: FEW, due: DUE, apartMs: APART_MS })
    const began = performance.now()
    const many = await filledSqlite({ folder: join(folder, 'many'), stored: MANY, due: DUE, apartMs: APART_MS })
    const insertSeconds = (performance.now() - began) / 1000
    const claims = await alternating({ rounds: ROUNDS, few: few.store, many: many.store, time: timeOfClaim })
    const accepts = await alternating({ rounds: GROUPS, few: few.store, many: many.store, time: timeOfAccept })
    const settles = await alternating({ rounds: GROUPS, few: few.store, many: many.store, time: timeOfSettle })
    await few.close()
    await many.close()
    return {
      value: claims.many / claims.few,
      parts: {
        'claim at 10^3, median ms': round(claims.few),
        'claim at 10^6, median ms': round(claims.many),
        [`accept of ${GROUP} at 10^3, median ms`]: round(accepts.few),
        [`accept of ${GROUP} at 10^6, median ms`]: round(accepts.many),
        [`settle of ${GROUP} at 10^3, median ms`]: round(settles.few),
        [`settle of ${GROUP} at 10^6, median ms`]: round(settles.many),
        'bytes for a delivery in the database': round(many.bytes / MANY),
        'inserting 10^6, s': round(insertSeconds),
      },
      notes: [
        `A claim reads a page of ${PAGE} due rows and then these rows; ${DUE} are due in both databases, the others have succeeded. ${ROUNDS} claims in each, alternating; medians.`,
      ],
    }
  },
}

interface Medians {
  readonly few: number
  readonly many: number
}

/** Alternates between the databases, so that other load on the machine affects both. */
async function alternating(from: {
  rounds: number
  few: Store
  many: Store
  time: (store: Store, round: number) => Promise<number>
}): Promise<Medians> {
  const times = { few: [] as number[], many: [] as number[] }
  for (let round = 0; round < from.rounds; round++) {
    times.few.push(await from.time(from.few, round))
    times.many.push(await from.time(from.many, round))
  }
  return { few: quantile(times.few, 0.5), many: quantile(times.many, 0.5) }
}

/** The time to read a page of due rows and then these rows, in ms. */
async function timeOfClaim(store: Store): Promise<number> {
  const began = performance.now()
  const due = await store.due({ limit: PAGE })
  const rows = await store.readClaimed(due.map(({ id }) => id))
  const ms = performance.now() - began
  if (rows.length !== PAGE) throw new Error(`a claim gave ${rows.length} deliveries`)
  return ms
}

/** The time of a group commit of new deliveries, with its fsync, in ms. Each round must have another number. */
async function timeOfAccept(store: Store, round: number): Promise<number> {
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
async function timeOfSettle(store: Store): Promise<number> {
  const due = await store.due({ limit: GROUP })
  const deliveries = await store.readClaimed(due.map(({ id }) => id))
  await store.beginAttempt(deliveries)
  const writes = deliveries.map(({ id, lines, person }): Write => {
    const courses = Object.fromEntries(lines.map(({ course }) => [course, 'enrolled' as const]))
    const settlement = {
      id,
      outcome: { courses, reason: null },
      generation: 0,
      effectUnknown: false,
      dueAt: null,
      attempts: 0,
      detail: 'enrolled',
    } as const
    return { kind: 'settle', settlement, person }
  })
  const began = performance.now()
  await store.write(writes)
  return performance.now() - began
}
