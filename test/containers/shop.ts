import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { type Answered, exchange, payload, SECRET, signed } from '../harness.ts'

/** From docs/reference/sending.md; 0 is no answer. */
const SEND_AGAIN = [0, 408, 429, 502, 503, 504]
/** A shop waits for 30 seconds; the order of what happens is the same. */
const PAUSE_MS = 500
/** Between two sales of one buyer, so that a long change doesn't see thousands. */
const BETWEEN_MS = 50

/** What the proxy answered to a request, and after which time. The status is 0 if no answer came. */
export interface Reply {
  readonly status: number
  readonly tookMs: number
}

interface Asked {
  readonly path: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/**
 * The shop: sends sales to a port of loopback, and sends again what sending.md says. With `ca` by https, where it
 * verifies the certificate of `domain` against `ca` alone, else by http.
 */
export function createShop({
  domain,
  port,
  ca,
  secret = SECRET,
}: {
  domain: string
  port: number
  ca?: string
  secret?: string
}) {
  const agent =
    ca === undefined ? new HttpAgent({ keepAlive: true }) : new HttpsAgent({ keepAlive: true, ca, servername: domain })
  const base = `${ca === undefined ? 'http' : 'https'}://127.0.0.1:${port}`

  const ask = ({ path, method = 'GET', headers = {}, body = '' }: Asked): Promise<Answered> =>
    exchange({ url: base + path, method, headers: { host: domain, ...headers }, body, agent, timeoutMs: 15_000 })

  /** Posts a sale once. The status is 0 if no answer comes. */
  const sell = async (email: string): Promise<number> => {
    const body = payload({ email })
    const sale = { path: '/api/lernito/webhook/', method: 'POST', headers: signed(body, secret), body }
    const answered = await ask(sale).catch(() => null)
    return answered?.status ?? 0
  }

  /** Starts `count` buyers of one sale after another, until `stop`. */
  const open = (name: string, count = 4) => {
    const replies: Reply[] = []
    const accepted: string[] = []
    let isOver = false
    const timed = async (email: string): Promise<number> => {
      const began = performance.now()
      const status = await sell(email)
      replies.push({ status, tookMs: Math.round(performance.now() - began) })
      return status
    }
    const one = async (buyer: string): Promise<void> => {
      for (let n = 0; !isOver; n++) {
        const email = `${name}.${buyer}${n}@example.com`
        while (SEND_AGAIN.includes(await timed(email))) {
          if (isOver) return
          await delay(PAUSE_MS)
        }
        accepted.push(email)
        await delay(BETWEEN_MS)
      }
    }
    const buyers = Promise.all(Array.from({ length: count }, (_, i) => one(`b${i}-`)))
    return {
      replies,
      /** The buyers whose sale got a last answer. */
      accepted,
      /** How long the slowest request took, ms. */
      slowest: (): number => Math.max(...replies.map(({ tookMs }) => tookMs)),
      stop: async (): Promise<void> => {
        isOver = true
        await buyers
      },
    }
  }

  return { ask, sell, open, close: () => agent.destroy() }
}
export type Load = ReturnType<Shop['open']>
export type Shop = ReturnType<typeof createShop>
