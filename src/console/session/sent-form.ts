import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isUpdate, queryOf } from '../layout/request.ts'
import { readSession } from './cookies.ts'
import { seal, unseal } from './sessions.ts'

const USE = 'a sent form'
const NAME = 'kept'
/** Proxies accept 8 KiB for the line with the address (nginx: large_client_header_buffers). */
const ADDRESS_MAX = 6_000

/**
 * Leads from a sent form to a page that shows what it came to, so that the browser can return to this page: it can't
 * return to the answer to a form, which no cache may store.
 *
 * The page needs what was in the form, often the address of a person, which must not get into the log of a proxy or the
 * history of a browser. So it is in the address encrypted, for this session alone: the key comes from the session's token,
 * which only the browser has. Nothing is stored here, so every replica can show the page, and when the session has ended,
 * nobody can read the address any more. What does not fit into an address, such as a long payload, is answered directly,
 * and so is htmx, which adds nothing to the history.
 * @param of.path the page, below the console's base
 * @param of.values what the page gets from sentForm
 * @param show answers directly
 */
export function leadToPage(
  { reply, path, values }: { reply: FastifyReply; path: string; values: URLSearchParams },
  show: () => FastifyReply | Promise<FastifyReply>,
): FastifyReply | Promise<FastifyReply> {
  const { request } = reply
  values.delete('csrf') // each form gets it anew
  const address = isUpdate(request) ? null : addressWith({ request, path, values })
  return address === null ? show() : reply.redirect(address, 303)
}

/** Returns the address of a page with these values in it, encrypted as for leadToPage; null if they don't fit into one. */
export function addressWith(of: { request: FastifyRequest; path: string; values: URLSearchParams }): string | null {
  const token = readSession(of.request)
  if (token === null) return null
  const sealed = seal({ text: deflateRawSync(of.values.toString()).toString('base64'), token, use: USE })
  const address = `${of.request.site.base}${of.path}?${NAME}=${sealed}`
  return address.length > ADDRESS_MAX ? null : address
}

/** Returns what leadToPage put into the address of this page; null if there is nothing, or it is of another session. */
export function sentForm(request: FastifyRequest): URLSearchParams | null {
  const sealed = queryOf(request).get(NAME)
  const token = readSession(request)
  if (sealed === null || token === null) return null
  const text = unseal({ sealed, token, use: USE })
  return text === null ? null : new URLSearchParams(inflateRawSync(Buffer.from(text, 'base64')).toString())
}
