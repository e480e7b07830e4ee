import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { PrivateAddressError, publicLookup, type Resolve } from '../../service/lib/public-lookup.ts'

/** Why there is no connection. `code` is the system's error code, such as ECONNREFUSED, or says what is wrong. */
export interface NoConnection {
  readonly obstacle: 'private' | 'tls' | 'unreachable'
  readonly code: string
}

/**
 * Connects to the shop's endpoint as for an event, and sends nothing, because an endpoint can't tell a test from an event.
 * Resolves to null if that works: the name resolves to public addresses, the port accepts the connection, and for https
 * the certificate is valid.
 * @param of.url LERNITO_EVENTS_URL
 */
export function tryEndpoint(of: { url: string; timeoutMs: number; resolve?: Resolve }): Promise<NoConnection | null> {
  const url = new URL(of.url)
  const isTls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const options = { host, port: Number(url.port || (isTls ? 443 : 80)), lookup: publicLookup(url, of.resolve) }
  return new Promise((resolve) => {
    let isConnected = false
    const socket = isTls ? connectTls({ ...options, servername: host, rejectUnauthorized: true }) : connect(options)
    const end = (result: NoConnection | null): void => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(of.timeoutMs, () =>
      end({ obstacle: isConnected ? 'tls' : 'unreachable', code: 'no answer in time' }),
    )
    socket.once('connect', () => {
      isConnected = true
      if (!isTls) end(null)
    })
    socket.once('secureConnect', () => end(null))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error instanceof PrivateAddressError) return end({ obstacle: 'private', code: error.message })
      return end({ obstacle: isConnected ? 'tls' : 'unreachable', code: error.code ?? 'no cause given' })
    })
  })
}
