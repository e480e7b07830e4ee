import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { z } from 'zod'
import { AppError } from '../service/lib/errors.ts'
import { readSecret } from '../service/settings/read.ts'
import { keyOf, readStandard, STANDARD_HEADERS, verifyStandard } from '../shop/signature/standard.ts'
import { command, loadDotEnv, runUntilSignal, usageError } from './command.ts'
import { plain, plainJson, timeText } from './plain.ts'

const DEFAULT_PORT = 8792
/** The sandbox signs its events with this secret, unless LERNITO_EVENTS_SECRET is set. It is public. */
export const SANDBOX_EVENTS_SECRET = 'whsec_bGVybml0by1zYW5kYm94LWV2ZW50cy1zZWNyZXQ='
const BODY_MAX = 256 * 1024

const bodySchema = z.object({
  type: z.string(),
  data: z.object({
    id: z.string(),
    state: z.string(),
    courses: z.array(z.object({ id: z.string(), result: z.string() })),
    reason: z.object({ code: z.string(), message: z.string() }).nullable(),
    test: z.boolean(),
  }),
})

export const listen = command({
  name: 'listen',
  parent: 'events',
  summary: 'receive events in development',
  help: `Takes the place of the shop's endpoint in development. It receives events on
127.0.0.1, prints a line for each, and answers 204 if the signature is right,
otherwise 401. Ctrl-C ends it.

Usage: lernito-openedx events listen [--port N] [--secret SECRET] [--json]

  --port N       the port (default ${DEFAULT_PORT})
  --secret S     the secret (default LERNITO_EVENTS_SECRET, or the sandbox's
                 secret if that is not set)
  --json         print the body of each event

Example:
  lernito-openedx events listen --port ${DEFAULT_PORT}
`,
  options: {
    port: { type: 'string', default: String(DEFAULT_PORT) },
    secret: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values }) => {
    const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN
    if (!(port <= 65_535)) throw usageError(`--port ${values.port} is not a port from 0 to 65535.`)
    loadDotEnv()
    const secret =
      values.secret || readSecret({ env: process.env, name: 'LERNITO_EVENTS_SECRET' }) || SANDBOX_EVENTS_SECRET
    if (!secret.startsWith('whsec_') || keyOf(secret) === null) {
      throw usageError('The secret must be whsec_ followed by base64, as in LERNITO_EVENTS_SECRET.')
    }
    const server = createServer((request, response) => void receive({ request, response, secret, json: values.json }))
    const start = async (): Promise<void> => {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening').catch(inUse(port))
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

const inUse = (port: number) => (cause: unknown) => {
  throw new AppError('address.in_use', `Port ${port} can't be used: ${String(cause)}. Choose another with --port.`, {
    cause,
  })
}

async function receive(of: {
  request: IncomingMessage
  response: ServerResponse
  secret: string
  json: boolean
}): Promise<void> {
  const { request, response, secret, json } = of
  const body = await bodyOf(request).catch(() => null)
  if (body === null) return void response.destroy()
  const fault = request.method === 'POST' ? faultOf(request, body, secret) : `a ${request.method} request`
  if (fault !== null) {
    process.stdout.write(`${timeText(Date.now())}  refused: ${plain(fault)}\n`)
    return void response.writeHead(401).end()
  }
  process.stdout.write(`${timeText(Date.now())}  ${describe(body, json)}\n`)
  response.writeHead(204).end()
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes > BODY_MAX) throw new Error('too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What is wrong with the signature; null if it verifies. */
function faultOf({ headers }: IncomingMessage, body: string, secret: string): string | null {
  const header = (name: string): string | undefined => {
    const value = headers[name]
    return typeof value === 'string' ? value : undefined
  }
  const standard = readStandard({
    id: header(STANDARD_HEADERS.id),
    timestamp: header(STANDARD_HEADERS.timestamp),
    signature: header(STANDARD_HEADERS.signature) ?? '',
  })
  const verified =
    typeof standard === 'string' ? standard : verifyStandard({ standard, body, secrets: [secret], now: Date.now() })
  return typeof verified === 'string' ? `the signature does not verify (${verified})` : null
}

function describe(body: string, json: boolean): string {
  const read = bodySchema.safeParse(parse(body))
  if (json || !read.success) return plainJson(read.success ? parse(body) : plain(body.slice(0, 500)))
  const { type, data } = read.data
  const courses = data.courses.map(({ id, result }) => `${result} in ${id}`)
  const reason = data.reason === null ? [] : [`${data.reason.code}: ${data.reason.message}`]
  return plain([type, data.id, `${data.state}${data.test ? ' (test)' : ''}`, ...courses, ...reason].join('  '))
}

/** The signature was verified, so this service wrote it. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return null
  }
}
