import { join } from 'node:path'
import { reportedInState } from '../../src/enroll/follow-up/reported.ts'
import { purgeStep } from '../../src/queue/retention.ts'
import { startMariaDb } from '../../test/mariadb.ts'
import { type FilledStore, filledMariaDb, filledSqlite } from '../fill/open-filled.ts'
import { quantile } from '../load.ts'
import type { Stage } from '../processes.ts'
import { GROUP, timeOfAccept, timeOfClaim, timeOfSettle } from '../queue-times.ts'
import { type Row, round } from '../row.ts'
import { timesOfPages } from './pages.ts'

const YEAR_MS = 365 * 24 * 3_600_000
const STORED = 10_000_000
const FEW = 1000
const DUE = 600
const ROUNDS = 30
/** What a retention of a year deletes within an hour at this rate. */
const OLD_MS = 3_600_000

export const year: Row = {
  name: 'year',
  title: 'storing 50 sales at 10^7 stored deliveries, a year’s, / at 10^3; the slower database',
  goal: { at: 'most', value: 1.5, unit: 'times' },
  takes: 2400,
  onlyByName: true,
  run: async (stage) => {
    const few = await onSqlite(stage, FEW)
    const sqlite = await onSqlite(stage, STORED)
    const fewOnMariaDb = await onMariaDb(stage, FEW)
    const mariaDb = await onMariaDb(stage, STORED)
    const ratio = (a: Times, b: Times): number => (a.get(ACCEPT) ?? 0) / (b.get(ACCEPT) ?? 1)
    const parts = Object.entries({
      'SQLite, 10^3': few,
      'SQLite, 10^7': sqlite,
      'MariaDB, 10^3': fewOnMariaDb,
      'MariaDB, 10^7': mariaDb,
    })
    return {
      value: Math.max(ratio(sqlite, few), ratio(mariaDb, fewOnMariaDb)),
      parts: Object.fromEntries(
        parts.flatMap(([where, times]) => [...times].map(([name, value]) => [`${where}: ${name}`, round(value)])),
      ),
      notes: ['Medians. MariaDB has a buffer pool of 2 GiB; SQLite uses the file system’s cache.'],
    }
  },
}

type Times = ReadonlyMap<string, number>
const ACCEPT = `store ${GROUP} sales, ms`

const amount = (stored: number) => ({ stored, due: DUE, apartMs: YEAR_MS / stored })

async function onSqlite(stage: Stage, stored: number): Promise<Times> {
  const folder = join(stage.folder, `sqlite-${stored}`)
  const began = performance.now()
  const filled = await filledSqlite({ folder, ...amount(stored) })
  const times = await measured(stage, filled)
  times.set('bytes for each delivery', filled.bytes / stored).set('filling, s', (performance.now() - began) / 1000)
  filled.remove()
  return times
}

async function onMariaDb(stage: Stage, stored: number): Promise<Times> {
  const server = await startMariaDb({ options: ['--innodb-buffer-pool-size=2G', '--innodb-log-file-size=1G'] })
  const began = performance.now()
  try {
    const filled = await filledMariaDb({ folder: join(stage.folder, 'tsv'), mariaDb: server, ...amount(stored) })
    const times = await measured(stage, filled)
    return times.set('filling, s', (performance.now() - began) / 1000)
  } finally {
    await server.remove()
  }
}

/** The time of each part of the work, in ms. */
async function measured(stage: Stage, filled: FilledStore): Promise<Map<string, number>> {
  const { store, database } = filled
  const { db } = database
  const times = new Map<string, number>()
  const median = async (name: string, time: (round: number) => Promise<number>): Promise<void> => {
    const all: number[] = []
    for (let n = 0; n < ROUNDS; n++) all.push(await time(n))
    times.set(name, quantile(all, 0.5))
  }
  await median('claim a page of 200, ms', () => timeOfClaim(store))
  await median(ACCEPT, (n) => timeOfAccept(store, n))
  await median(`settle ${GROUP}, ms`, () => timeOfSettle(store))
  await median('follow-up, read 200 pre-enrolled, ms', async () => {
    const began = performance.now()
    await reportedInState({ db, guard: (work) => work(), state: 'pre_enrolled' }).next()
    return performance.now() - began
  })
  const before = Date.now() - YEAR_MS + OLD_MS
  const began = performance.now()
  const deleted = await purgeStep({ db, before })
  times.set('retention, a step, ms', performance.now() - began).set('retention, deleted in this step', deleted)
  for (const [page, ms] of await timesOfPages(stage, filled)) times.set(`${page}, ms`, ms)
  return times
}
