import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { unsentText } from '../console/layout/format.ts'
import { type EndpointState, hasFailedLast, type OutboxHealth, type UnsentEvent } from '../operators/reports/outbox.ts'
import type { SentAgain } from '../queue/outbox/send-again.ts'
import { AppError } from '../service/lib/errors.ts'
import { keyOf } from '../service/lib/standard-key.ts'
import { type Env, readSecret } from '../service/settings/settings.ts'
import { STANDARD_HEADERS, verifyStandard } from '../shop/signature/standard.ts'
import { headerOf } from '../shop/webhook/receive.ts'
import {
  command,
  commandGroup,
  loadDotEnv,
  misused,
  namingOption,
  portIn,
  runUntilSignal,
  usageError,
} from './command.ts'
import { idsOf, operator, withOperations } from './operations.ts'
import { columns, plain, plainJson, printJson, terminalWidth, timeText } from './plain.ts'

const HEAD = ['DELIVERY OR COURSE', 'EVENT', 'SINCE', 'ATTEMPTS', 'NEXT', 'LAST ERROR']

const list = command({
  name: 'events list',
  options: { json: { type: 'boolean', default: false } },
  run: async ({ values }) => {
    return withOperations(async (opened) => {
      const outbox = await opened.operations.shopEvents.read()
      if (values.json) {
        printJson(outbox)
        return 0
      }
      if (opened.settings.LERNITO_EVENTS_URL === undefined)
        process.stderr.write('LERNITO_EVENTS_URL is not set, so the shop gets no events.\n')
      process.stdout.write(endpointText(outbox))
      process.stdout.write(`waiting: ${unsentText(outbox.pending)}, given up: ${unsentText(outbox.failed)}\n`)
      const lines = outbox.events.map((event) =>
        line(event, { state: outbox.endpoint?.state ?? 'up', now: Date.now() }),
      )
      if (lines.length > 0) process.stdout.write(columns([HEAD, ...lines], { width: terminalWidth(), whole: 1 }))
      return 0
    })
  },
})

const STATES = {
  up: 'works',
  down: 'fails; one event at a time is tried',
  gone: 'answered 410 and gets no events until you run: lernito-openedx events resend --failed',
} as const satisfies Record<EndpointState['state'], string>

/** When an event is sent that waits for the endpoint. */
const WAITS = { down: 'once it works', gone: 'on resend' } as const

function endpointText(outbox: OutboxHealth): string {
  if (outbox.endpoint === null) return ''
  const { state, since, error, errorAt, sentAt } = outbox.endpoint
  const from = since === null ? '' : ` (since ${timeText(since)})`
  const sent = sentAt === null ? '' : `last accepted: ${timeText(sentAt)}\n`
  const last = error === null || errorAt === null ? '' : `last error: ${plain(error)} (${timeText(errorAt)})\n`
  // One that has answered nothing yet neither works nor fails.
  const hasFailed = hasFailedLast(outbox)
  const unsure = hasFailed ? 'failed at the last attempt; the event is sent again' : 'has not been heard from yet'
  const text = state === 'up' && (hasFailed || sentAt === null) ? unsure : STATES[state]
  return `the endpoint ${text}${from}\n${sent}${last}`
}

function line(event: UnsentEvent, { state, now }: { state: EndpointState['state']; now: number }): string[] {
  const { deliveryId, course, type, createdAt, attempts, dueAt, failedAt, error } = event
  const next = failedAt !== null ? 'given up' : state !== 'up' ? WAITS[state] : dueAt <= now ? 'now' : timeText(dueAt)
  return [deliveryId ?? plain(course ?? ''), type, timeText(createdAt), `${attempts}`, next, plain(error ?? '')]
}

const resend = command({
  name: 'events resend',
  positionals: true,
  options: { failed: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  run: async ({ values, positionals }) => {
    if (values.failed === positionals.length > 0) {
      throw misused('events resend', 'takes the ids of deliveries, or --failed')
    }
    return withOperations(async (opened) => {
      if (opened.settings.LERNITO_EVENTS_URL === undefined) {
        throw new AppError(
          'settings.invalid',
          'LERNITO_EVENTS_URL is not set, so there is nowhere to send events. Set it, and LERNITO_EVENTS_SECRET, first.',
        )
      }
      const { shopEvents } = opened.operations
      const by = operator()
      if (values.failed) {
        const { events } = await shopEvents.sendFailedAgain({ by })
        if (values.json) printJson({ events })
        else process.stdout.write(sentAgainText(events))
        return 0
      }
      const results: Record<string, SentAgain['kind']> = {}
      for (const id of await idsOf(opened, positionals)) results[id] = (await shopEvents.sendAgain({ id, by })).kind
      if (values.json) printJson(results)
      else for (const [id, kind] of Object.entries(results)) process.stdout.write(`${plain(id)}  ${TEXTS[kind]}\n`)
      return Object.values(results).every((kind) => kind === 'sent') ? 0 : 1
    })
  },
})

/** An endpoint that answered 410 gets what waits, too. */
const sentAgainText = (events: number): string =>
  events === 0
    ? 'No event was given up. Those that wait are tried now.\n'
    : `Trying now: ${events} ${events === 1 ? 'event' : 'events'}.\n`

const TEXTS = {
  sent: 'the shop gets an event with its state',
  nothing: 'nothing to send: it is queued or handled',
  unknown: 'there is no such delivery',
} as const satisfies Record<SentAgain['kind'], string>

/** The sandbox signs its events with this secret, unless LERNITO_EVENTS_SECRET is set. It is public. */
export const SANDBOX_EVENTS_SECRET = 'whsec_bGVybml0by1zYW5kYm94LWV2ZW50cy1zZWNyZXQ='
/** LERNITO_EVENTS_SECRET, or the secret of the sandbox. Throws AppError settings.invalid for a file that can't be read. */
export const eventsSecret = (env: Env): string =>
  readSecret({ env, name: 'LERNITO_EVENTS_SECRET' }) || SANDBOX_EVENTS_SECRET

/** What the line of an event shows: each kind has some of it. */
const bodySchema = z.object({
  type: z.string(),
  data: z.object({
    id: z.string(),
    state: z.string().optional(),
    test: z.boolean().optional(),
    courses: z.array(z.object({ id: z.string(), result: z.string() })).optional(),
    name: z.string().nullish(),
    sellable: z.boolean().optional(),
    course: z.string().optional(),
    percent: z.number().optional(),
    certificate: z.object({ status: z.string(), url: z.string().nullable() }).nullish(),
    reason: z.object({ code: z.string(), message: z.string() }).nullish(),
  }),
})

const listen = command({
  name: 'events listen',
  options: {
    port: { type: 'string', default: '8792' },
    secret: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values }) => {
    const port = portIn('port', values.port)
    loadDotEnv()
    const secret = values.secret || eventsSecret(process.env)
    if (!secret.startsWith('whsec_') || keyOf(secret) === null) {
      throw usageError('The secret must be whsec_ followed by base64, as in LERNITO_EVENTS_SECRET.')
    }
    const server = createServer((request, response) => void receive({ request, response, secret, json: values.json }))
    const start = async (): Promise<void> => {
      server.listen(port, '127.0.0.1')
      await namingOption('--port', once(server, 'listening'))
      const address = server.address()
      const bound = address !== null && typeof address === 'object' ? address.port : port
      process.stdout.write(`Listening for events at http://127.0.0.1:${bound}/\n`)
    }
    const stop = async (): Promise<void> => {
      server.closeAllConnections()
      server.close()
    }
    return runUntilSignal({ start, stop })
  },
})

async function receive(of: {
  request: IncomingMessage
  response: ServerResponse
  secret: string
  json: boolean
}): Promise<void> {
  const { request, response, secret, json } = of
  const body = await buffer(request).then(String, () => null)
  if (body === null) return void response.destroy()
  const fault = request.method === 'POST' ? faultOf(request, body, secret) : `a ${request.method} request`
  if (fault !== null) {
    process.stdout.write(`${timeText(Date.now())}  refused: ${plain(fault)}\n`)
    return void response.writeHead(401).end()
  }
  process.stdout.write(`${timeText(Date.now())}  ${describe(body, json)}\n`)
  response.writeHead(204).end()
}

/** What is wrong with the signature; null if it verifies. */
function faultOf({ headers }: IncomingMessage, body: string, secret: string): string | null {
  const verified = verifyStandard({
    id: headerOf(headers, STANDARD_HEADERS.id),
    timestamp: headerOf(headers, STANDARD_HEADERS.timestamp),
    signature: headerOf(headers, STANDARD_HEADERS.signature) ?? '',
    body,
    secrets: [secret],
    now: Date.now(),
  })
  return typeof verified === 'string' ? `the signature does not verify (${verified})` : null
}

function describe(body: string, json: boolean): string {
  const event = parse(body)
  const read = bodySchema.safeParse(event)
  if (json || !read.success) return plainJson(read.success ? event : plain(body.slice(0, 500)))
  const { type, data } = read.data
  const { id, state, courses = [], name, sellable, course, percent, certificate, reason } = data
  const facts = [
    state && `${state}${data.test ? ' (test)' : ''}`,
    ...courses.map(({ id, result }) => `${result} in ${id}`),
    name,
    sellable === undefined ? null : sellable ? 'can be sold' : 'cannot be sold',
    course && `passed ${course}${percent === undefined ? '' : ` with ${percent}%`}`,
    certificate && `certificate ${certificate.status}`,
    certificate?.url,
    reason && `${reason.code}: ${reason.message}`,
  ]
  return plain([type, id, ...facts.filter((fact) => fact)].join('  '))
}

/** The signature was verified, so this service wrote it. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return null
  }
}

export const events = commandGroup({
  name: 'events',
  subcommands: { list: () => list, resend: () => resend, listen: () => listen },
})
