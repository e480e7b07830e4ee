import type { IncomingMessage } from 'node:http'
import { MAX_HEADERS, type RefusalCode } from './refusals.ts'

type Head = Pick<IncomingMessage, 'httpVersion' | 'rawHeaders' | 'headers' | 'url'>

/**
 * What is wrong with a request that Node's parser accepts, but that a proxy may read differently and take a part of for
 * another request; null if nothing is wrong (RFC 9112, 3.2, 6.1 and 11.2). A request line has no fragment: a proxy may
 * choose the route by the text after a `#`, and this server by that before it. Of two values where one is allowed, Node
 * keeps the first; of too many headers, it drops the rest. It reports neither.
 */
export function screen({ httpVersion, rawHeaders, headers, url = '' }: Head): RefusalCode | null {
  if (rawHeaders.length > 2 * MAX_HEADERS) return 'headers_too_large'
  const modern = httpVersion === '1.1'
  if (!modern && httpVersion !== '1.0') return 'malformed'
  const hosts = count(rawHeaders, 'host')
  if (hosts > 1 || (modern && hosts === 0)) return 'host'
  if (url.includes('#')) return 'bad_url'
  const encoding = headers['transfer-encoding']
  if (encoding !== undefined && !(modern && encoding.toLowerCase() === 'chunked')) return 'transfer_encoding'
  return count(rawHeaders, 'content-type') > 1 ? 'content_type_twice' : null
}

const count = (rawHeaders: readonly string[], name: string): number =>
  rawHeaders.filter((text, index) => index % 2 === 0 && text.length === name.length && text.toLowerCase() === name)
    .length
