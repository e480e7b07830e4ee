import type { TestContext } from 'node:test'
import { type Passage, startTcpProxy } from '../../tcp-proxy.ts'

/** The driver's query packet. For MySQL the number of attributes (0) and of their sets (1) precedes the statement. */
export const COMMITS = ['\u0003commit', '\u0003\u0000\u0001commit'].map((text) => Buffer.from(text))

/**
 * A TCP proxy between the service and its database. `loseCommit` cuts the connection at the next commit: before the server
 * receives it, or after the commit and before its answer is delivered. `down` cuts all connections and accepts no more.
 * @param of.rewrite changes what the service sends
 */
export async function startProxy({
  t,
  port,
  rewrite = (data) => data,
}: {
  t: TestContext
  port: number
  rewrite?: (data: Buffer) => Buffer
}) {
  let lose: 'before' | 'after' | null = null
  let lost = 0

  const accept = ({ client, upstream }: Passage) => {
    const cut = (): void => {
      client.destroy()
      upstream.destroy()
    }
    let cutAtAnswer = false
    return {
      up: (data: Buffer): void => {
        if (lose !== null && COMMITS.some((commit) => data.includes(commit))) {
          const when = lose
          lose = null
          lost++
          if (when === 'before') return void cut()
          cutAtAnswer = true
        }
        upstream.write(rewrite(data))
      },
      down: (data: Buffer): void => {
        if (cutAtAnswer) cut()
        else client.write(data)
      },
    }
  }
  const { port: own, open, down, up } = await startTcpProxy({ t, port, accept })
  return {
    port: own,
    loseCommit: (when: 'before' | 'after'): void => {
      lose = when
    },
    lost: (): number => lost,
    isUsed: (): boolean => open() > 0,
    down,
    up,
  }
}
