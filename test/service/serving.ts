import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { z } from 'zod'
import { type StandInOptions, startStandIn } from '../../sandbox/stand-in.ts'
import { openDatabase } from '../../src/database/database.ts'
import { type Answered, type Buyer, control, exchange, payload, SECRET, signed } from '../harness.ts'
import { type Running, start } from './process.ts'

export const BULK = '/api/bulk_enroll/v1/bulk_enroll'
/** Takes a person out of a course, and enrolls singly. */
export const UNENROLL = '/api/enrollment/v1/enrollment'

export const serveEnv = ({ folder, lmsUrl }: { folder: string; lmsUrl: string }): Record<string, string> => ({
  LERNITO_WEBHOOK_SECRET: SECRET,
  LERNITO_LMS_URL: lmsUrl,
  LERNITO_LMS_CLIENT_ID: 'lernito-client',
  LERNITO_LMS_CLIENT_SECRET: 'lernito-client-secret',
  LERNITO_DATABASE_URL: `sqlite:${join(folder, 'lernito.db')}`,
  LERNITO_PORT: '0',
})

interface Serving extends Running {
  readonly url: string
}

/** `serve` as a process, ready for webhooks on a free port. */
export async function startServe({
  t,
  folder,
  lmsUrl,
  env = {},
  command,
}: {
  t: TestContext
  folder: string
  lmsUrl: string
  env?: Record<string, string>
  command?: readonly [string, ...string[]]
}): Promise<Serving> {
  // The call budget is empty at the start, and a sale would first go without bulk_enroll.
  const settings = { ...serveEnv({ folder, lmsUrl }), LERNITO_LMS_CALLS_PER_MINUTE: '0', ...env }
  const running = start({ t, args: ['serve'], env: settings, ...(command === undefined ? {} : { command }) })
  const { url } = await running.logged(({ msg }) => msg === 'ready for webhooks')
  return { ...running, url: z.string().parse(url) }
}

/** Posts a sale as the shop does. Returns null if the connection ends without an answer. */
export async function sell({ url, ...buyer }: Buyer & { url: string }): Promise<Answered | null> {
  const body = payload(buyer)
  return exchange({ url: `${url}/api/lernito/webhook/`, headers: signed(body), body }).catch(() => null)
}

/** A stand-in LMS in this process. */
export async function startLms(t: Pick<TestContext, 'after'>, options: StandInOptions = {}) {
  const lms = await startStandIn({ throttle: 'off', ...options })
  t.after(() => lms.close())
  return { url: lms.url, ...control(lms.url) }
}

/**
 * A stand-in LMS whose delayed calls hang until `release`. A fault with any delayMs says which calls those are;
 * `arrived` resolves when the first of them comes in.
 */
export async function startHoldingLms(t: TestContext) {
  const { sleep, arrived, release } = holdCalls()
  const lms = await startLms(t, { sleep })
  t.after(release)
  return { ...lms, arrived: arrived(), release }
}

/**
 * A `sleep` for the stand-in that holds each delayed call. `arrived` resolves when the first one is there, `release` lets
 * all go on, and after `renew` the next ones are held.
 */
export function holdCalls() {
  const begin = () => ({ arrived: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() })
  let hold = begin()
  return {
    sleep: async (ms: number): Promise<void> => {
      if (ms === 0) return
      hold.arrived.resolve()
      await hold.released.promise
    },
    arrived: (): Promise<void> => hold.arrived.promise,
    release: (): void => hold.released.resolve(),
    renew: (): void => {
      hold = begin()
    },
  }
}

/** The deliveries in the inbox, the oldest first. */
export async function storedDeliveries(folder: string) {
  const { db, close } = openDatabase({ url: `sqlite:${join(folder, 'lernito.db')}`, serve: false })
  const rows = await db
    .selectFrom('deliveries')
    .select(['id', 'email', 'state', 'attempts'])
    .orderBy('received_at')
    .orderBy('id')
    .execute()
  await close()
  return rows.map((row) => ({ ...row })) // SQLite's rows have no prototype, which deepEqual minds
}
