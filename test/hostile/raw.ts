import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { sign } from '../../src/shop/signature/signature.ts'
import { payload, SECRET } from '../harness.ts'
import { until } from '../service/process.ts'

/** Settings that give each refusal its own log line, however many one address causes. */
export const EVERY_LINE = { LERNITO_LOG_LEVEL: 'debug' }

export const WEBHOOK = '/api/lernito/webhook/'

export interface RawAnswer {
  readonly status: number
  /** By names in lower case. Of two equal names, the last one counts. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export type Header = readonly [name: string, value: string]

/** The headers of a valid webhook as raw text. `without` names those to leave out. */
export function signedHeaders(
  body: string | Uint8Array,
  { without = [] }: { without?: readonly string[] } = {},
): Header[] {
  const headers: Header[] = [
    ['Host', 'shop.example'],
    ['Content-Type', 'application/json'],
    ['X-Lernito-Signature', sign({ body, form: 'raw', secret: SECRET })],
    ['Content-Length', String(Buffer.byteLength(body))],
  ]
  return headers.filter(([name]) => !without.includes(name))
}

/** The bytes of a request, exactly as given. */
export function requestBytes({
  method = 'POST',
  path = WEBHOOK,
  version = 'HTTP/1.1',
  headers,
  body = '',
}: {
  method?: string
  path?: string
  version?: string
  headers: readonly Header[]
  body?: string | Uint8Array
}): Buffer {
  const lines = [`${method} ${path} ${version}`, ...headers.map(([name, value]) => `${name}: ${value}`), '', '']
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), Buffer.from(body)])
}

/** A valid webhook with headers added or left out. */
export function webhookBytes({
  email = 'raw@example.com',
  body = payload({ email }),
  add = [],
  without = [],
}: {
  email?: string
  body?: string
  add?: readonly Header[]
  without?: readonly string[]
} = {}): Buffer {
  return requestBytes({ headers: [...signedHeaders(body, { without }), ...add], body })
}

/** A chunked body, with its last chunk. */
export const chunked = (...chunks: readonly string[]): string =>
  `${chunks.map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`

/** A connection that sends any bytes. */
export async function openRaw({ url }: { url: string }) {
  const { hostname, port } = new URL(url)
  const socket: Socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  let received = Buffer.alloc(0)
  let isClosed = false
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
  })
  socket.on('error', () => {})
  socket.on('end', () => {
    isClosed = true
    socket.end()
  })
  socket.on('close', () => {
    isClosed = true
  })
  await once(socket, 'connect')
  const answers = (): RawAnswer[] => readAnswers(received)
  return {
    socket,
    answers,
    isClosed: () => isClosed,
    send: (bytes: string | Uint8Array): void => void socket.write(bytes),
    /** The first `count` answers. Fails if the connection ends with fewer. */
    first: (count: number): Promise<RawAnswer[]> =>
      until(`answer ${count}`, () => {
        const all = answers()
        if (all.length < count && isClosed) throw new Error(`the connection ended with: ${received.toString('latin1')}`)
        return all.length < count ? undefined : all.slice(0, count)
      }),
    /** Fails unless exactly these bytes come within 15 s. */
    heard: (text: string): Promise<true> =>
      until(JSON.stringify(text), () => received.toString('latin1') === text || undefined),
    /** All answers until the service closes the connection. */
    untilClosed: async (): Promise<RawAnswer[]> => {
      await until('the end of the connection', () => isClosed || undefined)
      return answers()
    },
    destroy: (): void => void socket.destroy(),
  }
}

/** Sends the bytes, returns the first answer, and cuts the connection. */
export async function askRaw({ url, bytes }: { url: string; bytes: string | Uint8Array }): Promise<RawAnswer> {
  const connection = await openRaw({ url })
  connection.send(bytes)
  const [answer] = await connection.first(1)
  connection.destroy()
  if (answer === undefined) throw new Error('there is no answer')
  return answer
}

/** The complete answers in the text, except "100 Continue". Throws if the text is not an HTTP answer. */
function readAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = bytes.toString('latin1')
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end === -1) return answers
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) [A-Z]/.exec(first)?.[1])
    if (Number.isNaN(status)) throw new Error(`this is no answer: ${rest}`)
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const length = Number(headers['content-length'] ?? '0')
    const text = rest.slice(end + 4, end + 4 + length)
    if (text.length < length) return answers
    rest = rest.slice(end + 4 + length)
    if (status !== 100) answers.push({ status, headers, text: Buffer.from(text, 'latin1').toString('utf8') })
  }
}
