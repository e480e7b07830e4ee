import { mkdtempSync, rmSync } from 'node:fs'
import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { type RunningStandIn, type StandInOptions, startStandIn } from '../sandbox/stand-in.ts'
import { isBusy } from '../src/database/sqlite/connection.ts'
import { TIMING, type Timing } from '../src/queue/replicas/timing.ts'
import { buildService } from '../src/service/service.ts'
import { readSettings, SETTINGS_SCHEMA } from '../src/service/settings/settings.ts'
import { sign } from '../src/shop/signature/signature.ts'
import { watchedLog } from './log-watch.ts'
import { until } from './service/process.ts'

export const SECRET = 'lernito-test-secret'
export const DEMO = 'course-v1:edX+DemoX+Demo_Course'

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Sends one HTTP request over a real socket, with exactly these headers. With `timeoutMs`, it fails if nothing comes. */
export function exchange({
  url,
  method = 'POST',
  headers = {},
  body = '',
  agent,
  timeoutMs,
}: {
  url: string
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  agent?: Agent
  timeoutMs?: number
}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const length = { 'content-length': String(Buffer.byteLength(body)) }
    const options = {
      method,
      headers: body === '' ? headers : { ...length, ...headers },
      ...(agent === undefined ? {} : { agent }),
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    }
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const request = send(url, options, (response) => {
      const { statusCode: status = 0, headers } = response
      // Not by `text`, which leaves out the byte order mark of a CSV file.
      buffer(response).then((body) => resolve({ status, headers, text: body.toString() }), reject)
    })
    // Node's own agent reports a socket that is silent for 5 s, too.
    if (timeoutMs !== undefined)
      request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.on('error', reject)
    request.end(body)
  })
}

const stateSchema = z.object({
  enrollments: z.array(z.object({ email: z.string(), course: z.string(), mode: z.string(), active: z.boolean() })),
  allowances: z.array(z.object({ email: z.string(), course: z.string(), auto_enroll: z.boolean(), used: z.boolean() })),
})
export type State = z.infer<typeof stateSchema>

const auditSchema = z.object({
  audit: z.array(z.object({ enrolled_email: z.string().nullable(), reason: z.string().nullable() })),
})

const callsSchema = z.object({
  calls: z.array(z.object({ method: z.string(), path: z.string(), status: z.number(), count: z.number() })),
})

/** A client of the stand-in's control API. */
export function control(lmsUrl: string) {
  const call = async (method: string, path: string, json?: unknown): Promise<unknown> => {
    const text = json === undefined ? '' : JSON.stringify(json)
    const headers = json === undefined ? {} : { 'content-type': 'application/json' }
    const answered = await exchange({ url: `${lmsUrl}/sandbox/${path}`, method, headers, body: text })
    if (answered.status >= 300) throw new Error(`/sandbox/${path} answered ${answered.status}: ${answered.text}`)
    return answered.text === '' ? null : JSON.parse(answered.text)
  }
  return {
    state: async (): Promise<State> => stateSchema.parse(await call('GET', 'state')),
    reset: (world?: object) => call('POST', 'reset', world),
    seed: (rows: Partial<State>) => call('POST', 'seed', rows),
    people: (person: { email: string; username: string; active: boolean; formerly?: string }) =>
      call('POST', 'people', person),
    activate: (email: string) => call('POST', 'activate', { email }),
    /** Gives an account another address. */
    address: (change: { email: string; formerly: string }) => call('POST', 'address', change),
    /** Gives a person a grade, or a certificate of this status (null: none). */
    achievement: (of: {
      email: string
      course: string
      passed?: boolean
      percent?: number
      certificate?: string | null
    }) => call('POST', 'achievement', of),
    retire: (email: string) => call('POST', 'retire', { email }),
    faults: (faults: readonly object[]) => call('POST', 'faults', { faults }),
    noFaults: () => call('DELETE', 'faults'),
    /** The rows of the LMS's own audit. */
    audit: async () => auditSchema.parse(await call('GET', 'audit')).audit,
    calls: async () => callsSchema.parse(await call('GET', 'calls')).calls,
    forgetCalls: () => call('DELETE', 'calls'),
  }
}

export interface Buyer {
  readonly email: string
  readonly courseIds?: readonly string[]
  readonly name?: string
}

export const payload = ({ email, courseIds = [DEMO], name = 'New' }: Buyer): string =>
  JSON.stringify({ email, name, family: 'Comer', username: 'newcomer', courseIds })

/** The headers with which the shop posts this body: signed in the original's form. */
export const signed = (body: string | Uint8Array, secret = SECRET): Record<string, string> => ({
  'content-type': 'application/json',
  'x-lernito-signature': sign({ body, form: 'original', secret }),
})

/** Starts the service, on its own SQLite file, and a stand-in LMS in this process. */
export async function startProduct({
  lms: lmsOptions = {},
  env = {},
  folder = mkdtempSync(join(tmpdir(), 'lernito-test-')),
  now = Date.now,
  timing = TIMING,
  random = Math.random,
  followUpMs,
  catalogueMs,
  retentionMs,
}: {
  lms?: StandInOptions
  env?: Record<string, string>
  folder?: string
  /** The service's clock, not the stand-in's. */
  now?: () => number
  timing?: Timing
  random?: () => number
  /** From the start of a round of the follow-up to the next one, ms. */
  followUpMs?: number
  /** The age at which the catalogue of courses is read anew, ms. */
  catalogueMs?: number
  /** From the start to the first round of the retention, ms. */
  retentionMs?: number
} = {}) {
  const standIn: RunningStandIn = await startStandIn({ throttle: 'off', ...lmsOptions })
  const given = {
    LERNITO_WEBHOOK_SECRET: SECRET,
    LERNITO_LMS_URL: standIn.url,
    LERNITO_LMS_CLIENT_ID: 'lernito-client',
    LERNITO_LMS_CLIENT_SECRET: 'lernito-client-secret',
    LERNITO_DATABASE_URL: `sqlite:${join(folder, 'lernito.db')}`,
    LERNITO_PORT: '0',
    LERNITO_LMS_CALLS_PER_MINUTE: '0', // no call budget, because the stand-in doesn't throttle
    ...env,
  }
  const settings = readSettings({ env: given, schema: SETTINGS_SCHEMA })
  const { log, lines } = watchedLog({ level: settings.LERNITO_LOG_LEVEL, env: given })
  const service = await closingOnError(standIn, () =>
    buildService({ settings, env: given, log, now, random, timing, followUpMs, catalogueMs, retentionMs }),
  )
  const url = await closingOnError(standIn, () => service.start())
  const webhook = `${url}/api/lernito/webhook/`
  return {
    url,
    webhook,
    lmsUrl: standIn.url,
    lms: control(standIn.url),
    log: lines,
    service,
    folder,
    /** Posts a sale as the shop does. */
    sell: async (buyer: Buyer): Promise<Answered & { json: unknown }> => {
      const body = payload(buyer)
      const answered = await exchange({ url: webhook, headers: signed(body), body })
      return { ...answered, json: JSON.parse(answered.text) }
    },
    stop: async ({ keep = false } = {}): Promise<void> => {
      await service.stop()
      await standIn.close()
      if (!keep) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * Another connection to the database of a service in this process, in a transaction that holds the lock. A wait for the
 * lock that blocks the thread would be in vain: the service could not end a transaction that it has begun.
 */
export async function lockDatabase({ folder }: Pick<Product, 'folder'>): Promise<DatabaseSync> {
  const db = new DatabaseSync(join(folder, 'lernito.db'))
  return until('the lock of the database', () => {
    try {
      db.exec('begin immediate')
      return db
    } catch (error) {
      if (isBusy(error)) return undefined
      throw error
    }
  })
}

/** Closes the stand-in after an error: an open one would keep the process of a failed test alive. */
async function closingOnError<T>({ close }: RunningStandIn, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await close()
    throw error
  }
}
export type Product = Awaited<ReturnType<typeof startProduct>>
