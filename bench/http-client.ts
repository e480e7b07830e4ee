import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  readonly body: string
  /** Retry-After in seconds; null if the answer has none. */
  readonly retryAfter: number | null
  /** The time from sending the request to the last byte of the answer. */
  readonly ms: number
}

export interface Connection {
  /** Sends a whole request as bytes. Answers come in the order of the requests; several can be in flight (pipelining). */
  send(request: Uint8Array): Promise<Answer>
  close(): void
}

interface Pending {
  readonly began: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/**
 * A keep-alive connection that uses little CPU, so that it measures the server and not itself. It reads only answers with
 * Content-Length, which all servers of the bench send.
 */
export async function openConnection(url: string): Promise<Connection> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const pending: Pending[] = []
  let unread: Buffer = Buffer.alloc(0)

  const fail = (error: Error): void => {
    socket.destroy()
    for (const { reject } of pending.splice(0)) reject(error)
  }
  const read = (): void => {
    for (let answer = firstAnswer(unread); answer !== null; answer = firstAnswer(unread)) {
      unread = unread.subarray(answer.bytes)
      const one = pending.shift()
      if (one === undefined) throw new Error('the server sent an answer without a request')
      const { status, body, retryAfter } = answer
      one.resolve({ status, body, retryAfter, ms: performance.now() - one.began })
    }
  }
  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    try {
      read()
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)))
    }
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))

  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        pending.push({ began: performance.now(), resolve, reject })
        socket.write(request)
      }),
    close: () => endQuietly(socket, pending),
  }
}

function endQuietly(socket: Socket, pending: Pending[]): void {
  pending.length = 0
  socket.destroy()
}

const HEAD_END = Buffer.from('\r\n\r\n')

/** Returns the first complete answer in the received bytes, with its size; null if none is complete yet. */
function firstAnswer(unread: Buffer): (Omit<Answer, 'ms'> & { bytes: number }) | null {
  const headEnd = unread.indexOf(HEAD_END)
  if (headEnd === -1) return null
  const head = unread.toString('latin1', 0, headEnd)
  const length = numberOf(head, /\r\ncontent-length: (\d+)/i)
  if (length === null) throw new Error(`an answer without Content-Length: ${head}`)
  const bytes = headEnd + HEAD_END.length + length
  if (unread.length < bytes) return null
  return {
    status: Number(head.slice(9, 12)),
    body: unread.toString('utf8', headEnd + HEAD_END.length, bytes),
    retryAfter: numberOf(head, /\r\nretry-after: (\d+)/i),
    bytes,
  }
}

function numberOf(head: string, field: RegExp): number | null {
  const digits = field.exec(head)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** Returns a whole POST request with a JSON body, as bytes. */
export function postRequest({
  url,
  headers = {},
  body,
}: {
  url: string
  headers?: Record<string, string>
  body: string
}): Buffer {
  const { pathname, host } = new URL(url)
  const lines = Object.entries({
    host,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}
