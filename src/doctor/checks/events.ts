import { connect, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { digestOfUrl } from '../../queue/outbox/endpoint.ts'
import { codeOf, PrivateAddressError, publicLookup, type Resolve } from '../../service/lib/outgoing-call.ts'
import { check, failed, passed, problem, skipped } from '../check.ts'

/** Why there is no connection. `code` is the system's error code, such as ECONNREFUSED, or says what is wrong. */
interface NoConnection {
  readonly obstacle: 'private' | 'tls' | 'unreachable'
  readonly code: string
}

/**
 * Connects to the shop's endpoint as for an event, and sends nothing, because an endpoint can't tell a test from an event.
 * Resolves to null if that works: the name resolves to public addresses, the port accepts the connection, and for https
 * the certificate is valid.
 * @param of.url LERNITO_EVENTS_URL
 */
function tryEndpoint(of: {
  url: string
  timeoutMs: number
  resolve: Resolve | undefined
}): Promise<NoConnection | null> {
  const url = new URL(of.url)
  const isTls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const options = { host, port: Number(url.port || (isTls ? 443 : 80)), lookup: publicLookup(url, of.resolve) }
  const servername = isIP(host) === 0 ? host : '' // for an address, Node.js would warn doctor's reader
  return new Promise((resolve) => {
    let isConnected = false
    const socket = isTls ? connectTls({ ...options, servername, rejectUnauthorized: true }) : connect(options)
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
      return end({ obstacle: isConnected ? 'tls' : 'unreachable', code: codeOf(error) })
    })
  })
}

const ENDPOINT = check({
  id: 'events.endpoint',
  about: "whether the shop's endpoint can be reached and takes events",
  needs: ['settings', 'database'],
  examine: async ({ settings: { LERNITO_EVENTS_URL: url }, database: { endpoint } }, { callMs, resolve }) => {
    if (url === undefined) return skipped('LERNITO_EVENTS_URL is not set, so the shop gets no events')
    const { host } = new URL(url)
    const found = await tryEndpoint({ url, timeoutMs: callMs, resolve })
    if (found === null) {
      // What is known of another address says nothing of this one.
      const known = endpoint?.url_digest === digestOfUrl(url) ? endpoint : null
      if (known?.state === 'gone') return failed([problem('events.gone', { host })])
      if (known?.state === 'down') return failed([problem('events.refused', { host, error: known.error ?? '' })])
      return passed(`${host} accepts the connection`)
    }
    const { obstacle, code } = found
    if (obstacle === 'private') return failed([problem('events.private', { why: code })])
    return failed([problem(obstacle === 'tls' ? 'events.tls' : 'events.unreachable', { host, code })])
  },
})

export const EVENT_CHECKS = [ENDPOINT]
