import { payload } from '../harness.ts'
import { type Header, requestBytes, signedHeaders } from './raw.ts'

/** One sale with its headers as raw text, and variants of it. */
export const body = payload({ email: 'whole@example.com' })
export const LENGTH = 'Content-Length'
export const headers = signedHeaders(body)
/** The same without Content-Length. */
export const open = signedHeaders(body, { without: [LENGTH] })
export const length = String(Buffer.byteLength(body))
/** The size of one chunk with the whole body, in hex. */
export const size = Buffer.byteLength(body).toString(16)

/** The sale with a chunked body, valid or not. */
export const inChunks = (sent: string, add: readonly Header[] = []): Buffer =>
  requestBytes({ headers: [...open, ['Transfer-Encoding', 'chunked'], ...add], body: sent })

/** The sale with another text before the empty line. */
export function withHead(change: (head: string) => string): Buffer {
  const text = requestBytes({ headers, body }).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  return Buffer.from(change(text.slice(0, end)) + text.slice(end), 'latin1')
}
