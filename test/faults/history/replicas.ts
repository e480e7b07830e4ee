import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startProxy } from '../../replicas/proxy.ts'
import { startServe } from '../../service/serving.ts'
import type { Chance } from './chance.ts'
import type { HistoryLms } from './lms.ts'
import type { Record } from './record.ts'

const command = [process.execPath, join(import.meta.dirname, '../quick-replica.ts')] as const
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
  thaw(): void
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
  lms: HistoryLms
  record: Record
  readonly callsPerMinute: number
  /** The largest offset of its clock from the test's. */
  clockMs: number
}): Promise<Replica> {
  const { t, name, folder, lms, record } = from
  const proxyUrl = await lms.proxyFor(name)
  const databaseProxy = from.mariadbPort === null ? null : await startProxy({ t, port: from.mariadbPort })
  const url = new URL(from.databaseUrl)
  if (databaseProxy !== null) url.port = String(databaseProxy.port)
  let serving: Awaited<ReturnType<typeof startServe>> | null = null

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
        CLOCK_AHEAD_MS: String(ahead),
      }
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
    },
    thaw: () => {
      record.note(`${name} runs again (SIGCONT)`)
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
