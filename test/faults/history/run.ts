import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { State } from '../../harness.ts'
import { temporaryFolder } from '../../service/process.ts'
import { ACTIONS } from './actions.ts'
import { type Chance, createChance } from './chance.ts'
import { busiestMinute, check, keyOf, pairsIn, refundsIn } from './check.ts'
import { INCIDENTS } from './incidents.ts'
import { FAILING, startHistoryLms } from './lms.ts'
import { createRecord, type Sale, within } from './record.ts'
import { createReplica } from './replicas.ts'
import { createShop, type Row } from './shop.ts'
import { storyOf } from './story.ts'
import type { World } from './world.ts'

/** How long new actions start. Then those that have started are finished. */
const SECONDS = Number(process.env.HISTORY_SECONDS ?? 30)
const CLOCK_MS = Number(process.env.HISTORY_CLOCK_MS ?? 5000)
const WITHOUT = (process.env.HISTORY_WITHOUT ?? '').split(',').filter((name) => name !== '')
/** The time for the remaining work at the end, which depends on the call budget. */
const DRAIN_MS = 120_000
/** When the shop repeats unsettled sales, and when it stops waiting for the next attempt of a refunded one. */
const SEND_AGAIN_MS = 4000
const REFUNDED_MS = 15_000
const SPARE_CALLS = 10

const HAPPENINGS = { ...ACTIONS, ...INCIDENTS }
type Happening = keyof typeof HAPPENINGS
const isHappening = (name: string): name is Happening => Object.hasOwn(HAPPENINGS, name)

/** Runs random actions from a seed on the replicas of one database, and checks the LMS at the end. */
export async function runHistory(from: {
  t: TestContext
  title: string
  replicas: number
  /** The call budget that all replicas share. */
  callsPerMinute: number
  database: (folder: string) => { url: string; mariadbPort: number | null }
}): Promise<void> {
  const { t, title } = from
  const callsPerMinute = Number(process.env.HISTORY_CALLS ?? from.callsPerMinute)
  for (const name of WITHOUT)
    assert.ok(isHappening(name), `HISTORY_WITHOUT names ${name}, which is no action or incident`)
  const seed = Number(process.env.HISTORY_SEED ?? randomInt(2 ** 31))
  assert.ok(Number.isInteger(seed), 'HISTORY_SEED must be one whole number')
  t.diagnostic(`HISTORY_SEED=${seed}`)
  const chance = createChance(seed)
  const folder = temporaryFolder(t)
  const { url: databaseUrl, mariadbPort } = from.database(folder)
  const record = createRecord()
  const lms = await startHistoryLms({ t, record })
  const before = await lms.state()
  const replicas = await Promise.all(
    Array.from({ length: from.replicas }, (_, i) =>
      createReplica({
        t,
        name: `replica${i}`,
        folder,
        databaseUrl,
        mariadbPort,
        lms,
        record,
        callsPerMinute,
        clockMs: CLOCK_MS,
      }),
    ),
  )
  await Promise.all(replicas.map((replica) => replica.start(chance.branch())))
  const world: World = { record, lms, replicas, shop: createShop({ record, databaseUrl }) }

  await happen(world, chance)
  lms.endFaults()
  const drained = await drain(world, chance)
  const rows = await world.shop.rows()
  const state = await lms.state()
  process.stdout.write(`# ${title}: seed ${seed}, ${countsOf(world, rows)}${drained ? '' : ', NOT DRAINED'}\n`)
  const violations = check({ record, rows, state, before, mostCalls: callsPerMinute + SPARE_CALLS })
  const people = [...new Set(violations.flatMap(({ email }) => email ?? []))]
  const stories = people.map((email) => storyOf({ record, rows, email }))
  const found = violations.map(({ rule, email }) => `${email ?? 'all'}: ${rule}`)
  assert.equal(found.length, 0, `HISTORY_SEED=${seed}\n${[...found, ...stories].join('\n')}`)
}

/** Starts a few actions each second, and ends when all have ended. */
async function happen(world: World, chance: Chance): Promise<void> {
  const weights = Object.entries(HAPPENINGS).flatMap(([name, [, weight]]): [Happening, number][] =>
    isHappening(name) && !WITHOUT.includes(name) ? [[name, weight]] : [],
  )
  const under: Promise<void>[] = []
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end; ) {
    const name = chance.weighted(weights)
    const [act] = HAPPENINGS[name]
    const acting = act(world, chance.branch())
    acting.catch(() => {}) // thrown at the end
    under.push(acting)
    await delay(chance.between(50, 450))
  }
  await Promise.all(under)
}

/** Waits until only work for the failing course is left. Returns whether that happened in time. */
async function drain(world: World, chance: Chance): Promise<boolean> {
  const { record, lms, shop, replicas } = world
  const began = performance.now()
  const again = new Set<Sale>()
  const done = await within(
    DRAIN_MS,
    async () => {
      const ms = performance.now() - began
      const rows = await shop.rows()
      const settled = settledPairs(world, await lms.state(), ms > REFUNDED_MS)
      const open = record.sales.filter(
        ({ name, email, courses }) =>
          rows.get(name)?.isOpen && !courses.every((course) => course === FAILING || settled.has(keyOf(email, course))),
      )
      for (const sale of open) {
        const isApart = shop.reserved.has(sale.email) && refundsIn(record).has(keyOf(sale.email, sale.courses[0] ?? ''))
        if (ms < SEND_AGAIN_MS || again.has(sale) || isApart) continue
        again.add(sale)
        shop.repeat(sale, chance.pick(replicas))
      }
      return open.length === 0
    },
    250,
  )
  await shop.allAnswered()
  return done
}

/** Returns who is enrolled in which course and, with `refunded`, also who was until the refund. */
const settledPairs = ({ record }: World, state: State, refunded: boolean): Set<string> =>
  new Set([...pairsIn(state, record), ...(refunded ? refundsIn(record).keys() : [])])

function countsOf({ record }: World, rows: ReadonlyMap<string, Row>): string {
  const states = Object.entries(Object.groupBy(rows.values(), ({ state }) => state))
  const counts = [
    ...[...record.counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => `${what} ${count}`),
    ...states.map(([state, list]) => `deliveries ${state} ${list?.length}`),
    `LMS calls ${record.calls.length}`,
    `throttled calls in a minute at most ${busiestMinute(record.calls)}`,
  ]
  return counts.join(', ')
}
