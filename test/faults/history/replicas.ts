import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startProxy } from '../../replicas/proxy.ts'
import { startServe } from '../../service/serving.ts'
import type { Chance } from './chance.ts'
import type { HistoryLms } from './lms.ts'
import type { Record } from './record.ts'

const command = [process.execPath, join(import.meta.dirname, '../quick-replica.ts')] as const
/** Answered 202 at once, or as soon as it is known what came of the sale. */
const ANSWER_WITHIN_MS = ['0', '2000', '8000']
/** A process of the service, started anew under the same name after each end. */
export interface Replica {
  readonly name: string
  url(): string
  /** Something is done to it: nothing else may be. */
  busy: boolean
  start(chance: Chance): Promise<void>
  /** SIGKILL, or a stop that it is asked for. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  freeze(): void
  thaw(): void
  /** Takes its database away; null where that is a file. */
  readonly cutOff: ((isCut: boolean) => void) | null
}

/** A replica, not started. `mariadb` is its port where replicas share one, null for SQLite. */
export async function createReplica(from: {
  t: TestContext
  name: string
  folder: string
  databaseUrl: string
  mariadbPort: number | null
  lms: HistoryLms
  record: Record
  readonly callsPerMinute: number
  /** How far its clock may be ahead of ours or behind it. */
  clockMs: number
}): Promise<Replica> {
  const { t, name, folder, lms, record } = from
  const doorUrl = await lms.doorFor(name)
  const proxy = from.mariadbPort === null ? null : await startProxy({ t, port: from.mariadbPort })
  const url = new URL(from.databaseUrl)
  if (proxy !== null) url.port = String(proxy.port)
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
      serving = await startServe({ t, folder, lmsUrl: doorUrl, env, command })
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
      proxy === null
        ? null
        : (isCut) => {
            record.note(`${name} is ${isCut ? 'cut off from' : 'back at'} the database`)
            if (isCut) proxy.down()
            else proxy.up()
          },
  }
}
