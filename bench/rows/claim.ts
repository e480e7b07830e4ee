import { join } from 'node:path'
import type { Store } from '../../src/queue/store.ts'
import { filledSqlite } from '../fill/open-filled.ts'
import { quantile } from '../load.ts'
import { GROUP, PAGE, timeOfAccept, timeOfClaim, timeOfSettle } from '../queue-times.ts'
import { type Row, round } from '../row.ts'

const FEW = 1_000
const MANY = 1_000_000
const DUE = 500
const APART_MS = 100
const ROUNDS = 300
const GROUPS = 30

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
