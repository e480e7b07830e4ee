import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { z } from 'zod'
import { listening } from '../../listening.ts'
import { until } from '../../service/process.ts'

export const EVENTS_SECRET = `whsec_${Buffer.from('lernito-events-test-secret-000001').toString('base64')}`

const bodySchema = z.strictObject({
  type: z.string(),
  timestamp: z.iso.datetime(),
  sequence: z.int(),
  data: z.strictObject({
    id: z.string(),
    webhookId: z.string().nullable(),
    state: z.string(),
    courses: z.array(z.strictObject({ id: z.string(), result: z.enum(['enrolled', 'pre_enrolled']) })),
    ended: z.array(z.strictObject({ id: z.string(), since: z.iso.datetime() })),
    withdrawing: z.array(z.string()),
    kept: z.array(
      z.discriminatedUnion('reason', [
        z.strictObject({ course: z.string(), reason: z.literal('sale'), delivery: z.string() }),
        z.strictObject({ course: z.string(), reason: z.literal('had_before') }),
      ]),
    ),
    refundFailed: z.array(z.string()),
    reason: z.strictObject({ code: z.string(), message: z.string(), course: z.string().nullable() }).nullable(),
    replaces: z.string().nullable(),
    replacedBy: z.string().nullable(),
    test: z.boolean(),
    secondsSinceSale: z.int().optional(),
  }),
})

/** The other fields of a delivery with which nothing special happened. */
export const PLAIN: Omit<z.infer<typeof bodySchema>['data'], 'id' | 'state' | 'courses'> = {
  webhookId: null,
  ended: [],
  withdrawing: [],
  kept: [],
  refundFailed: [],
  reason: null,
  replaces: null,
  replacedBy: null,
  test: false,
}

const text = z.string().nullable()
export const courseSchema = z.strictObject({
  type: z.literal('course.changed'),
  timestamp: z.iso.datetime(),
  sequence: z.int(),
  data: z.strictObject({
    id: z.string(),
    name: text,
    sellable: z.boolean(),
    reason: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    changes: z.array(z.strictObject({ field: z.enum(['name', 'reason']), before: text, after: text })).min(1),
  }),
})

const learnedSchema = z.strictObject({
  type: z.enum(['learner.passed', 'learner.certificate']),
  timestamp: z.iso.datetime(),
  sequence: z.int(),
  data: z.strictObject({
    id: z.string(),
    webhookId: text,
    course: z.string(),
    passed: z.literal(true),
    percent: z.number().optional(),
    certificate: z
      .strictObject({ status: z.enum(['issued', 'revoked']), url: z.url().nullable(), date: z.iso.datetime() })
      .nullable(),
    test: z.boolean(),
  }),
})

interface Sent {
  readonly webhookId: string
  readonly timestampS: number
  readonly text: string
}
/** A request with a valid signature. */
export interface Got extends z.infer<typeof bodySchema>, Sent {}
/** The same about a course. */
export interface GotCourse extends z.infer<typeof courseSchema>, Sent {}
/** The same about what the buyer of a delivery has achieved. */
interface Learned extends z.infer<typeof learnedSchema>, Sent {}

type Answer = (got: Got | GotCourse | Learned, response: ServerResponse) => void
const accept: Answer = (_got, response) => void response.writeHead(204).end()

/**
 * The shop's endpoint: an HTTP server that verifies each event with the reference library of Standard Webhooks. `answer` is
 * 204 until a test sets another. `now`: the clock of a test, ms since 1970; without it, the library has the real one.
 */
export async function startReceiver(
  t: { readonly after: (done: () => void) => void },
  { now }: { now?: () => number } = {},
) {
  const got: Got[] = []
  const courses: GotCourse[] = []
  const learned: Learned[] = []
  const all: (Got | Learned)[] = []
  const wrong: string[] = []
  const state: { answer: Answer; open: number; most: number } = { answer: accept, open: 0, most: 0 }
  const server = createServer((request, response) => {
    state.open++
    state.most = Math.max(state.most, state.open)
    response.on('close', () => state.open--)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      const complaint = complaintOf(request, text, now)
      if (complaint !== null) {
        wrong.push(complaint)
        return void response.writeHead(401).end()
      }
      const json: unknown = JSON.parse(text)
      const sent = { ...idOf(request), text }
      const { type } = z.object({ type: z.string() }).parse(json)
      if (type === 'course.changed') {
        const one = { ...courseSchema.parse(json), ...sent }
        courses.push(one)
        state.answer(one, response)
      } else if (type.startsWith('learner.')) {
        const one = { ...learnedSchema.parse(json), ...sent }
        learned.push(one)
        all.push(one)
        state.answer(one, response)
      } else {
        const one = { ...bodySchema.parse(json), ...sent }
        got.push(one)
        all.push(one)
        state.answer(one, response)
      }
    })
  })
  const { host } = await listening(t, server)
  return {
    url: `http://${host}/events?shop=1`,
    /** The events about deliveries. */
    got,
    /** Those about courses. */
    courses,
    /** Those about what buyers have achieved. */
    learned,
    /** All about deliveries and their buyers, in the order of their arrival. */
    all,
    /** What did not verify, in words. */
    wrong,
    /** How many requests were open at once, at most. */
    most: () => state.most,
    answer: (next: Answer | null) => {
      state.answer = next ?? accept
    },
    types: (id: string) => got.filter(({ data }) => data.id === id).map(({ type }) => type),
    received: (fits: (one: Got) => boolean): Promise<Got> => until('an event', () => got.find(fits)),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
export type Receiver = Awaited<ReturnType<typeof startReceiver>>

export const statusAnswer =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (_got, response) =>
    void response.writeHead(status, headers).end()

const library = new Webhook(EVENTS_SECRET)

function complaintOf(request: IncomingMessage, text: string, now?: () => number): string | null {
  const { webhookId } = idOf(request)
  if (request.method !== 'POST') return `method ${request.method}`
  if (request.headers['content-type'] !== 'application/json') return `content type ${request.headers['content-type']}`
  if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(webhookId)) return `id ${webhookId}`
  return now === undefined ? complaintOfLibrary(request, text) : complaintAt(request, text, now())
}

function complaintOfLibrary({ headers }: IncomingMessage, text: string): string | null {
  try {
    library.verify(text, {
      'webhook-id': String(headers['webhook-id']),
      'webhook-timestamp': String(headers['webhook-timestamp']),
      'webhook-signature': String(headers['webhook-signature']),
    })
    return null
  } catch (error) {
    if (error instanceof WebhookVerificationError) return error.message
    throw error
  }
}

/** The library's `verify` takes no clock, its `sign` does. */
function complaintAt(request: IncomingMessage, text: string, now: number): string | null {
  const { webhookId, timestampS } = idOf(request)
  if (Math.abs(now / 1000 - timestampS) > 300) return `timestamp ${timestampS}`
  const right = library.sign(webhookId, new Date(timestampS * 1000), text)
  return request.headers['webhook-signature'] === right ? null : 'signature'
}

const idOf = ({ headers }: IncomingMessage) => ({
  webhookId: String(headers['webhook-id']),
  timestampS: Number(headers['webhook-timestamp']),
})
