import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startProxy } from '../../queue/replicas/proxy.ts'
import { startServe } from '../../service/serving.ts'
import type { Chance } from './chance.ts'
import { type DatabaseClock, STEP_MS } from './database-clock.ts'
import { MOST_MS } from './late-calls.ts'
import { type HistoryLms, MODE_COURSE } from './lms.ts'
import type { Record } from './record.ts'
import { STANDING_CLOCK, writeStandstill } from './standing-clock.ts'

const command = [process.execPath, ...STANDING_CLOCK, join(import.meta.dirname, '../quick-replica.ts')] as const
/** How often the follow-up looks up who has registered. */
const FOLLOW_UP_MS = 1500
/** A signal comes later than it was sent, and the clock must not go back. */
const SIGNAL_MS = 5
/** The LMS takes this time for a call itself. */
const CALL_MS = 5000
/** For every process of the service, also for commands. */
export const COURSE_MODE = { LERNITO_COURSE_MODE: `${MODE_COURSE}=verified` }
/** 0 answers 202 at once; otherwise the sender waits for the result. */
const ANSWER_WITHIN_MS = ['0', '2000', '8000']

/** A process of the service, restarted under the same name after each end. */
export interface Replica {
  readonly name: string
  url(): string
  /** True while an action uses it; no other action may. */
  busy: boolean
  start(chance: Chance): Promise<void>
  /** Kills it, or stops it gracefully. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  freeze(): void
  /** `standstill`: its monotonic clock has stood still meanwhile, as that of a paused virtual machine. */
  thaw(how?: 'standstill'): void
  /** Cuts it off from its database; null for SQLite. */
  readonly cutOff: ((isCut: boolean) => void) | null
}

/** Makes a replica without starting it. `mariadbPort` is null for SQLite. */
export async function createReplica(from: {
  t: TestContext
  name: string
  folder: string
  databaseUrl: string
  mariadbPort: number | null
  clock: DatabaseClock | null
  /** The settings of the events for the shop. */
  events: { readonly [name: string]: string }
  lms: HistoryLms
  record: Record
  readonly callsPerMinute: number
  /** The largest offset of its clock from the test's. */
  clockMs: number
}): Promise<Replica> {
  const { t, name, folder, lms, record } = from
  const proxyUrl = await lms.proxyFor(name)
  const rewriting = from.clock === null ? {} : { rewrite: from.clock.rewrite }
  const databaseProxy = from.mariadbPort === null ? null : await startProxy({ t, port: from.mariadbPort, ...rewriting })
  const url = new URL(from.databaseUrl)
  if (databaseProxy !== null) url.port = String(databaseProxy.port)
  let serving: Awaited<ReturnType<typeof startServe>> | null = null
  const standstillFile = join(folder, `${name}-standstill`)
  let frozenAt = 0
  let standstillMs = 0

  return {
    name,
    busy: false,
    url: () => serving?.url ?? '',
    start: async (chance) => {
      const within = chance.pick(ANSWER_WITHIN_MS)
      const ahead = chance.happens(0.5) ? 0 : chance.between(-from.clockMs, from.clockMs)
      const env = {
        LERNITO_DATABASE_URL: url.href,
        LERNITO_LMS_CALLS_PER_MINUTE: String(from.callsPerMinute),
        LERNITO_ANSWER_WITHIN_MS: within,
        LERNITO_REFUNDS: 'on',
        ...COURSE_MODE,
        ...from.events,
        CLOCK_AHEAD_MS: String(ahead),
        FOLLOW_UP_MS: String(FOLLOW_UP_MS),
        // The database's clock can step while the service waits, or the next process can have another clock.
        LANDS_MS: String(MOST_MS + CALL_MS + STEP_MS + 2 * from.clockMs),
        STANDSTILL_FILE: standstillFile,
      }
      standstillMs = 0
      writeStandstill(standstillFile, standstillMs)
      serving = await startServe({ t, folder, lmsUrl: proxyUrl, env, command })
      if (ahead !== 0) record.count('clock offset')
      record.note(`${name} started, its clock ${ahead} ms ahead, answers within ${within} ms`)
    },
    end: async (signal) => {
      record.note(`${name} gets ${signal}`)
      serving?.child.kill(signal)
      await serving?.ended
    },
    freeze: () => {
      record.note(`${name} is stopped (SIGSTOP)`)
      serving?.child.kill('SIGSTOP')
      frozenAt = performance.now()
    },
    thaw: (how) => {
      if (how === 'standstill') {
        standstillMs += performance.now() - frozenAt - SIGNAL_MS
        writeStandstill(standstillFile, standstillMs)
      }
      record.note(`${name} runs again (SIGCONT)${how === undefined ? '' : ', and its monotonic clock stood still'}`)
      serving?.child.kill('SIGCONT')
    },
    cutOff:
      databaseProxy === null
        ? null
        : (isCut) => {
            record.note(`${name} is ${isCut ? 'cut off from' : 'back at'} the database`)
            if (isCut) databaseProxy.down()
            else databaseProxy.up()
          },
  }
}
