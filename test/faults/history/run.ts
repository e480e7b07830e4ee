import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { start, temporaryFolder } from '../../service/process.ts'
import { serveEnv } from '../../service/serving.ts'
import { startReceiver } from '../../shop/events/receiver.ts'
import { eventsEnv } from '../events-record.ts'
import { ACTIONS } from './actions.ts'
import { whileAging } from './aging.ts'
import { type Chance, createChance } from './chance.ts'
import { busiestMinute, check, type Violation } from './check.ts'
import { checkEvents } from './check-events.ts'
import type { DatabaseClock } from './database-clock.ts'
import { drain, isAtRest } from './drain.ts'
import { INCIDENTS } from './incidents.ts'
import { ADDRESSES } from './incidents-address.ts'
import { ENDED } from './incidents-ended.ts'
import { LATE } from './incidents-late.ts'
import { BY_OPERATORS } from './incidents-operator.ts'
import { PRUNED } from './incidents-pruned.ts'
import { startHistoryLms } from './lms.ts'
import { createRecord, within } from './record.ts'
import { COURSE_MODE, createReplica } from './replicas.ts'
import { createShop, type Row } from './shop.ts'
import { storyOf } from './story.ts'
import type { World } from './world.ts'

/** How long new actions start. Then those that have started are finished. */
const SECONDS = Number(process.env.HISTORY_SECONDS ?? 30)
const CLOCK_MS = Number(process.env.HISTORY_CLOCK_MS ?? 5000)
const WITHOUT = (process.env.HISTORY_WITHOUT ?? '').split(',').filter((name) => name !== '')
const SPARE_CALLS = 10
const CORRECT = [process.execPath, join(import.meta.dirname, 'correct.ts')] as const
/** How long the service may take to set right what the LMS did late. */
const SETTLE_MS = 120_000
/** The rules about what was, and not about how it is at the end. */
const HAPPENED = /^[2467]:/

const ACCESS = ['delivery.access_ended', 'delivery.access_restored']

const HAPPENINGS = { ...ACTIONS, ...INCIDENTS, ...LATE, ...PRUNED, ...BY_OPERATORS, ...ADDRESSES, ...ENDED }
type Happening = keyof typeof HAPPENINGS
const isHappening = (name: string): name is Happening => Object.hasOwn(HAPPENINGS, name)

/** Runs random actions from a seed on the replicas of one database, and checks the LMS at the end. */
export async function runHistory(from: {
  t: TestContext
  title: string
  replicas: number
  /** The call budget that all replicas share. */
  callsPerMinute: number
  database: (folder: string) => Promise<{ url: string; mariadbPort: number | null; clock: DatabaseClock | null }>
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
  const { url: databaseUrl, mariadbPort, clock } = await from.database(folder)
  const record = createRecord()
  const receiver = await startReceiver(t)
  const events = eventsEnv(receiver)
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
        clock,
        events,
        lms,
        record,
        callsPerMinute,
        clockMs: CLOCK_MS,
      }),
    ),
  )
  for (const replica of replicas) await replica.start(chance.branch()) // the first one makes the tables
  const operatorUrl = await lms.proxyFor('a command')
  const settings = {
    ...serveEnv({ folder, lmsUrl: operatorUrl }),
    LERNITO_DATABASE_URL: databaseUrl,
    LERNITO_LMS_CALLS_PER_MINUTE: String(callsPerMinute),
    ...COURSE_MODE,
    ...events,
  }
  const command: World['command'] = (args) => start({ t, args, env: settings }).ended
  const correct: World['correct'] = (args) => start({ t, args, env: settings, command: CORRECT }).ended
  const shop = createShop({ record, databaseUrl })
  const world: World = { record, lms, replicas, clock, command, correct, shop, events: receiver.got }

  const mostCalls = callsPerMinute + SPARE_CALLS
  const look = async () => {
    const [rows, state] = [await world.shop.rows(), await lms.state()]
    const ofEvents = checkEvents({ got: receiver.got, rows, record })
    return { rows, violations: [...check({ record, rows, state, before, mostCalls }), ...ofEvents] }
  }
  let found: Awaited<ReturnType<typeof look>> | undefined
  // What the LMS did late, the service may still have to set right. What has happened, it can't.
  const wait = async () => {
    const isOver = await isAtRest(world, databaseUrl)
    found = await look()
    return isOver && isDecided(found.violations)
  }
  const { drained, rows, violations } = await whileAging(databaseUrl, async () => {
    await happen(world, chance)
    lms.endFaults()
    const done = await drain(world, chance)
    await within(SETTLE_MS, wait, 1000)
    // The look that ended the waiting: in a later one, a round may have stored an event that the shop is about to get.
    return { drained: done, ...(found ?? (await look())) }
  })
  process.stdout.write(`# ${title}: seed ${seed}, ${countsOf(world, rows)}${drained ? '' : ', NOT DRAINED'}\n`)
  if (clock !== null) assert.ok(clock.reads() > 0, 'no statement of the service reads the clock that steps')
  assert.deepEqual(receiver.wrong, [])
  const people = [...new Set(violations.flatMap(({ email }) => email ?? []))]
  const stories = people.map((email) => storyOf({ record, rows, email }))
  const broken = violations.map(({ rule, email }) => `${email ?? 'all'}: ${rule}`)
  assert.equal(broken.length, 0, `HISTORY_SEED=${seed}\n${[...broken, ...stories].join('\n')}`)
}

/** Whether waiting is no use: nothing is wrong any more, or something has happened that must not. */
const isDecided = (violations: readonly Violation[]): boolean =>
  violations.length === 0 || violations.some(({ rule }) => HAPPENED.test(rule))

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

function countsOf({ record, events }: World, rows: ReadonlyMap<string, Row>): string {
  const states = Object.entries(Object.groupBy(rows.values(), ({ state }) => state))
  const counts = [
    ...[...record.counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => `${what} ${count}`),
    ...ACCESS.map((type) => `events ${type} ${events.filter((one) => one.type === type).length}`),
    ...states.map(([state, list]) => `deliveries ${state} ${list?.length}`),
    `LMS calls ${record.calls.length}`,
    `throttled calls in a minute at most ${busiestMinute(record.calls)}`,
  ]
  return counts.join(', ')
}
