import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { queryOf } from '../layout/request.ts'
import { readSession } from './cookies.ts'
import { seal, unseal } from './seal.ts'

const USE = 'a sent form'
const NAME = 'kept'
/** Proxies accept 8 KiB for the line with the address (nginx: large_client_header_buffers). */
const ADDRESS_MAX = 6_000

/**
 * Returns the address of a page with these values in it; null if they don't fit into one.
 *
 * The page needs what was in a form, often the address of a person, which must not get into the log of a proxy or the
 * history of a browser. So it is in the address encrypted, for this session alone: the key comes from the session's token,
 * which only the browser has. Nothing is stored here, so every replica can show the page, and when the session has ended,
 * nobody can read the address any more.
 * @param of.path the page, below the console's base
 */
export function addressWith(of: { request: FastifyRequest; path: string; values: URLSearchParams }): string | null {
  const { request, path, values } = of
  const page = `${request.site.base}${path}`
  const token = readSession(request)
  if (token === null || values.size === 0) return page
  const sealed = seal({ text: deflateRawSync(values.toString()).toString('base64'), token, use: USE })
  const address = `${page}${page.includes('?') ? '&' : '?'}${NAME}=${sealed}`
  return address.length > ADDRESS_MAX ? null : address
}

/** Returns the values in the address of this page; null if there are none, or they are of another session. */
export function sentForm(request: FastifyRequest): URLSearchParams | null {
  const sealed = queryOf(request).get(NAME)
  const token = readSession(request)
  if (sealed === null || token === null) return null
  const text = unseal({ sealed, token, use: USE })
  return text === null ? null : new URLSearchParams(inflateRawSync(Buffer.from(text, 'base64')).toString())
}
