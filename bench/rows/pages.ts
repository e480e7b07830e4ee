import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startMariaDb } from '../../test/mariadb.ts'
import { operatorCookie, PAGES, timeOfPage } from '../console-pages.ts'
import type { FilledStore } from '../fill/open-filled.ts'
import { filledMariaDb, filledSqlite } from '../fill/open-filled.ts'
import { quantile } from '../load.ts'
import type { Stage } from '../processes.ts'
import { type Row, round } from '../row.ts'
import { makeWorld } from '../world.ts'

const AMOUNT = { stored: 1_000_000, due: 0, apartMs: 100 }
const ROUNDS = 15
const READY_MS = 60_000

export const pages: Row = {
  name: 'pages',
  title: 'the slowest page of the console at 10^6 stored deliveries, on SQLite and on MariaDB',
  goal: { at: 'most', value: 100, unit: 'ms' },
  takes: 240,
  run: async (stage) => {
    const sqlite = await filledSqlite({ folder: join(stage.folder, 'sqlite'), ...AMOUNT })
    const onSqlite = await timesOfPages(stage, sqlite)
    sqlite.remove()
    const mariaDb = await startMariaDb({ parent: stage.folder })
    try {
      const filled = await filledMariaDb({ folder: join(stage.folder, 'mariadb'), mariaDb, ...AMOUNT })
      const onMariaDb = await timesOfPages(stage, filled)
      const parts = [...partsOf('SQLite', onSqlite), ...partsOf('MariaDB', onMariaDb)]
      return {
        value: Math.max(...parts.map(([, ms]) => ms)),
        parts: Object.fromEntries(parts.map(([name, ms]) => [name, round(ms)])),
        notes: [`Over HTTP, whole pages; a list is its first page of 50. ${ROUNDS} times each, medians.`],
      }
    } finally {
      await mariaDb.remove()
    }
  },
}

const partsOf = (database: string, times: ReadonlyMap<string, number>): [string, number][] =>
  [...times].map(([name, ms]) => [`${database}, ${name}, ms`, ms])

/** The median time of each page, from a service of its own on the filled database, which is closed before. */
async function timesOfPages(stage: Stage, filled: FilledStore): Promise<Map<string, number>> {
  const cookie = await operatorCookie(filled.database)
  const [first] = (await filled.operations.list({ filter: { states: ['enrolled'] }, limit: 1 })).items
  await filled.close()
  const lms = await stage.standIn({ world: makeWorld({ courses: 30 }), cost: 'none' })
  const service = await stage.service({
    lmsUrl: lms.url,
    env: {
      LERNITO_DATABASE_URL: filled.url,
      LERNITO_CONSOLE_CLIENT_ID: 'console-client',
      LERNITO_CONSOLE_CLIENT_SECRET: 'console-client-secret',
    },
  })
  await isReady(service.url)
  const times = new Map<string, number>()
  for (const [name, page] of Object.entries(PAGES)) {
    const path = page.replace('{id}', first?.id ?? '')
    const all: number[] = []
    for (let n = 0; n < ROUNDS; n++) all.push(await timeOfPage({ url: service.url, path, cookie }))
    times.set(name, quantile(all, 0.5))
  }
  await service.stop()
  await lms.stop()
  return times
}

/** On a server, the service joins the others after it has begun to listen. */
async function isReady(url: string): Promise<void> {
  for (const end = performance.now() + READY_MS; performance.now() < end; await delay(100)) {
    const { ok } = await fetch(`${url}/readyz`)
    if (ok) return
  }
  throw new Error('the service did not become ready')
}
