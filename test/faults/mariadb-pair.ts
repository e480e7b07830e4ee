import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { z } from 'zod'
import { type MariaDb, startMariaDb } from '../mariadb.ts'
import { COMMITS } from '../queue/replicas/proxy.ts'
import { type Passage, startTcpProxy } from '../tcp-proxy.ts'

/** A commit that the proxy has stopped. */
interface Stopped {
  /** Lets the server have it; the answer is passed on. */
  readonly pass: () => void
  /** Lets the server have it, and keeps its answer. Resolves when the server has answered. */
  readonly keepAnswer: () => Promise<void>
  /** Ends the connection. */
  readonly cut: () => void
}

const options = (id: number): string[] => [
  '--log-bin=binlog',
  '--binlog-format=ROW',
  '--sync-binlog=1',
  `--server-id=${id}`,
]

/**
 * Two MariaDB servers until the test ends: what is committed on the first is replicated to the second, which is
 * read-only. The service reaches one of them by a proxy that never ends a connection by itself.
 */
export async function startPair(t: TestContext) {
  const [first, second] = await Promise.all([1, 2].map((id) => startMariaDb({ options: options(id) })))
  assert(first && second)
  t.after(async () => void (await Promise.all([first.remove(), second.remove()])))
  await first.administer("create user replica@'%' identified by 'pw'; grant replication slave on *.* to replica@'%'")
  const { File: file, Position: position } = await positionOf(first)
  await second.administer(`set global read_only = on;
    change master to master_host = '127.0.0.1', master_port = ${first.port}, master_user = 'replica',
      master_password = 'pw', master_log_file = '${file}', master_log_pos = ${position}, master_use_gtid = no;
    start slave`)
  const { url } = await first.newDatabase()

  let watched: { readonly text: string; readonly stopped: PromiseWithResolvers<Stopped> } | null = null
  const accept = ({ client, upstream }: Passage) => {
    let concerned = false
    let answered: (() => void) | null = null
    return {
      up: (data: Buffer): void => {
        concerned ||= watched !== null && data.includes(watched.text)
        if (watched === null || !concerned || !COMMITS.some((commit) => data.includes(commit))) {
          upstream.write(data)
          return
        }
        const { stopped } = watched
        watched = null
        stopped.resolve({
          pass: () => upstream.write(data),
          keepAnswer: () => {
            upstream.write(data)
            return new Promise((resolve) => {
              answered = resolve
            })
          },
          cut: () => client.destroy(),
        })
      },
      down: (data: Buffer): void => {
        if (answered === null) client.write(data)
        else answered()
      },
    }
  }
  const proxy = await startTcpProxy({ t, port: first.port, accept })

  return {
    first,
    second,
    url: url.replace(`:${first.port}/`, `:${proxy.port}/`),
    /** Stops the next commit of a transaction that has sent this text. */
    stopCommit: (text: string): Promise<Stopped> => {
      const stopped = Promise.withResolvers<Stopped>()
      watched = { text, stopped }
      return stopped.promise
    },
    /**
     * A planned failover: no committed transaction is lost, and open connections still lead to the first server.
     * `meanwhile`: while both servers are read-only.
     */
    failOver: async (meanwhile: () => Promise<unknown> = async () => {}): Promise<void> => {
      await first.administer('set global read_only = on')
      await meanwhile()
      const { File, Position } = await positionOf(first)
      const rows = await second.administer(`select master_pos_wait('${File}', ${Position}, 10) as events`)
      const [{ events }] = z.tuple([z.object({ events: z.number() })]).parse(rows)
      assert.ok(events >= 0, 'the second server has not caught up')
      await second.administer('stop slave; reset slave all; set global read_only = off')
      proxy.leadTo(second.port)
    },
  }
}

async function positionOf({ administer }: MariaDb): Promise<{ File: string; Position: number }> {
  const [position] = z
    .tuple([z.object({ File: z.string(), Position: z.number() })])
    .parse(await administer('show master status'))
  return position
}
