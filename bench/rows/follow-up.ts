import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { deliveries } from '../fill/deliveries.ts'
import { migrated } from '../fill/open-filled.ts'
import { fillSqlite } from '../fill/sqlite.ts'
import type { Stage } from '../processes.ts'
import { type Row, round } from '../row.ts'
import { courseKey, emailOf, makeWorld } from '../world.ts'

const BUYERS = 100_000
const REGISTERED = 1_000
const ROUND_MS = 300_000
const SEARCH = '/api/user/v1/accounts/search_emails'
const LIST = '/api/enrollment/v1/enrollments'
/** LMS CPU, ms (recorded: lms-newer/costs-lists.json): search_emails of 200 addresses, a list of 100 rows. */
const RECORDED = { search: 9.3, found: 0.054, list: 12, row: 0.34 }

const callsSchema = z.object({ calls: z.array(z.object({ path: z.string(), count: z.number() })) })

export const followUp: Row = {
  name: 'follow-up',
  title: 'one round of the follow-up: 10^5 pre-enrolled buyers, 1 % of them newly registered',
  goal: { at: 'most', value: 510, unit: 'calls' },
  takes: 90,
  run: async (stage) => {
    const one = await measured(stage, { courses: 1 })
    const many = await measured(stage, { courses: 30 })
    return {
      value: one.calls,
      parts: {
        'LMS CPU by the recorded cost, s (goal: at most 8)': round(one.cpuSeconds),
        'calls of search_emails': one.search,
        'calls for enrollments, one course': one.list,
        'round, s': round(one.seconds),
        'calls in all, 30 courses': many.calls,
        'LMS CPU, 30 courses, s': round(many.cpuSeconds),
      },
      notes: [
        'No throttle and no call budget, so that the round takes no longer than its calls and the rests between them. With the default budget, it makes at most 80 calls for enrollments a minute.',
      ],
    }
  },
}

async function measured(stage: Stage, { courses }: { courses: number }) {
  const lms = await stage.standIn({ world: makeWorld({ courses, people: REGISTERED }), throttle: 'off' })
  const enrollments = Array.from({ length: REGISTERED }, (_, n) => {
    return { email: emailOf(n), course: courseKey(n % courses), mode: 'audit', active: true }
  })
  await post(`${lms.url}/sandbox/seed`, { enrollments })
  const file = join(stage.folder, `waiting-${courses}.db`)
  await migrated(`sqlite:${file}`)
  fillSqlite({ file, rows: deliveries({ stored: BUYERS, due: 0, apartMs: 1, courses, allWait: true }) })
  const began = performance.now()
  const env = { LERNITO_DATABASE_URL: `sqlite:${file}`, LERNITO_LMS_CALLS_PER_MINUTE: '0' }
  const service = await stage.service({ lmsUrl: lms.url, env })
  await roundEnded(service.url)
  const seconds = (performance.now() - began) / 1000
  const answer = await fetch(`${lms.url}/sandbox/calls`)
  const { calls } = callsSchema.parse(await answer.json())
  await service.stop()
  await lms.stop()
  const countOf = (path: string): number =>
    calls.filter((call) => call.path === path).reduce((sum, { count }) => sum + count, 0)
  const [search, list] = [countOf(SEARCH), countOf(LIST)]
  const enrolled = countIn(file, "select count(*) as count from deliveries where state = 'enrolled'")
  if (enrolled !== REGISTERED) throw new Error(`${enrolled} of ${REGISTERED} became enrolled`)
  const cpuMs =
    search * RECORDED.search + REGISTERED * RECORDED.found + list * RECORDED.list + REGISTERED * RECORDED.row
  return { calls: search + list, search, list, cpuSeconds: cpuMs / 1000, seconds }
}

async function post(url: string, json: object): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(json),
  })
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
}

/** A service makes two rounds at its start: of those who wait, and of those who are enrolled, whom it looks at after a day. */
async function roundEnded(service: string): Promise<void> {
  for (const end = performance.now() + ROUND_MS; performance.now() < end; await delay(100)) {
    const metrics = await (await fetch(`${service}/metrics`)).text()
    if (/^lernito_follow_up_rounds_total\{.*\} [2-9]/m.test(metrics)) return
  }
  throw new Error('the round did not end')
}

function countIn(file: string, sql: string): number {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 })
  try {
    return Number(database.prepare(sql).get()?.count)
  } finally {
    database.close()
  }
}
