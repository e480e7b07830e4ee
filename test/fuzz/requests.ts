import fc from 'fast-check'
import { sign } from '../../src/shop/signature/signature.ts'
import { payload, SECRET } from '../harness.ts'
import { mutated, mutationsOf } from './mutations.ts'

const CRLF = '\r\n'
const WORDS = [
  CRLF,
  '\n',
  '\r',
  ' ',
  '\t',
  ':',
  ',',
  '\0',
  '\xff\xfe',
  '0\r\n\r\n',
  'ffffffffffffffff\r\n',
  '-1',
  '%2e%2e/',
  '//',
  '?a=b#c',
  'http://example.com/',
  'HTTP/1.0',
  'HTTP/9.9',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  '\r\nTransfer-Encoding: chunked',
  '\r\nTransfer-Encoding: chunked, identity',
  '\r\nTransfer-Encoding : chunked',
  '\r\nContent-Length: 0',
  '\r\nContent-Length: 99999999999999999999',
  '\r\nContent-Length: 1, 2',
  '\r\nContent-Type: text/plain',
  '\r\nContent-Type: application/json; charset=utf-7',
  '\r\nContent-Encoding: gzip',
  '\r\nX-Lernito-Signature: ',
  `\r\nX-Lernito-Signature: ${'0'.repeat(64)}`,
  '\r\nExpect: 100-continue',
  '\r\nExpect: nonsense',
  '\r\nConnection: close',
  '\r\nConnection: upgrade\r\nUpgrade: websocket',
  '\r\n folded: line',
  '\r\nHost: example.com',
  '\r\nX-Forwarded-For: 203.0.113.7',
  `\r\nX: ${'x'.repeat(20_000)}`,
  '\r\nX: x'.repeat(200),
  '"',
  '{',
  ']',
  '\\u0000',
]
const METHODS = ['POST', 'GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'BREW', 'post']
const TARGETS = [
  '/api/lernito/webhook/',
  '/api/lernito/webhook',
  '/lernito/webhook/',
  '//lernito//webhook//',
  '/lernito/webhook/?a=1',
  '/lernito/webhook/..%2f',
  '/healthz',
  '/readyz',
  '/lernito/console/',
  '/%',
  '*',
  'example.com:80',
]

/** The sales that are sent with a good signature: few, so that the database doesn't grow with the inputs. */
export const PROBES = Array.from({ length: 20 }, (_, i) => payload({ email: `probe${i}@example.com` }))

const header = (name: string, value: string): string => `${name}: ${value}${CRLF}`
const JSON_TYPE = header('content-type', 'application/json')

/** Of two lines with the same name the first counts, mostly: `headers` stand before our own. */
function post(body: string | Buffer, headers = ''): Buffer {
  const head = `POST /api/lernito/webhook/ HTTP/1.1${CRLF}${header('host', 'localhost')}${headers}${JSON_TYPE}`
  return Buffer.concat([
    Buffer.from(`${head}${header('content-length', `${Buffer.byteLength(body)}`)}${CRLF}`),
    Buffer.from(body),
  ])
}

const signature = (body: string): string =>
  header('x-lernito-signature', sign({ body, form: 'original', secret: SECRET }))

const PROBE_REQUESTS = PROBES.map((body) => post(body, signature(body)))

/** A webhook with a good signature, unchanged: it shows that the service is alive. */
const asText = (bytes: Buffer): string => bytes.toString('latin1')

export const probe = fc.constantFrom(...PROBE_REQUESTS.map(asText))

const chunked = fc.constantFrom(...PROBES).map((body) => {
  const half = Math.floor(body.length / 2)
  const chunks = [body.slice(0, half), body.slice(half), ''].map(
    (part) => `${part.length.toString(16)}${CRLF}${part}${CRLF}`,
  )
  const head = `POST /lernito/webhook HTTP/1.1${CRLF}${header('host', 'x')}${JSON_TYPE}${header('transfer-encoding', 'chunked')}`
  return Buffer.from(`${head}${CRLF}${chunks.join('')}`)
})
const bodies = fc.oneof(
  fc.json({ stringUnit: 'binary' }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '{}', '['.repeat(2000), `"${'\\u0000'.repeat(500)}"`, `[${'1e15,'.repeat(800)}0]`),
)
const unsigned = bodies.map((body) => post(body))
const wronglySigned = bodies.map((body) => post(body, header('x-lernito-signature', 'f'.repeat(64))))
const large = fc.constantFrom(65_536, 65_537, 200_000).map((length) => post('x'.repeat(length)))
const remoteDeliveries = fc
  .tuple(fc.constantFrom(...METHODS), fc.constantFrom(...TARGETS))
  .map(([method, target]) => Buffer.from(`${method} ${target} HTTP/1.1${CRLF}${header('host', 'x')}${CRLF}`))
/** Whole as HTTP, so that what is inside gets as far as it can: odd headers, and a signature of another body. */
const LINES = WORDS.filter((word) => /^\r\n[A-Z][\w-]*: /.test(word)).map((word) => word.slice(2) + CRLF)
const framed = fc
  .tuple(
    fc.constantFrom(...PROBES),
    mutationsOf(['"', '{', '[', ',', '\\', '\\u0000', '__proto__', '1e400', ' ']),
    fc.array(fc.constantFrom(...LINES), { maxLength: 2 }),
  )
  .map(([body, changes, lines]) => post(mutated(Buffer.from(body), changes), signature(body) + lines.join('')))
const request = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...PROBE_REQUESTS) },
  { weight: 4, arbitrary: fc.oneof(unsigned, wronglySigned, chunked) },
  { weight: 3, arbitrary: remoteDeliveries },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
)

/** A request that is wrong in some way, mostly; a mutation may leave one as good as it was. */
export const hostile = fc
  .oneof(
    { weight: 60, arbitrary: fc.tuple(request, mutationsOf(WORDS)).map(([bytes, changes]) => mutated(bytes, changes)) },
    { weight: 40, arbitrary: framed },
    { weight: 10, arbitrary: request },
    { weight: 1, arbitrary: large },
  )
  .map(asText)
