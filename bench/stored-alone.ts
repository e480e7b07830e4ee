import { createHash } from 'node:crypto'
import { openWithTasks } from '../src/database/database.ts'
import { createIds } from '../src/delivery/ids.ts'
import { createStore } from '../src/inbox/store.ts'
import { INBOX_TASKS } from '../src/inbox/transactions.ts'
import type { Write } from '../src/inbox/write.ts'
import { migrate } from '../src/migrations/migrations.ts'
import { createReplicas } from '../src/replicas/replicas.ts'
import { requestOf } from './fill/deliveries.ts'

const GROUP = 200

/**
 * Stores this many sales in a new SQLite file as the inbox does, in groups of 200 and with nothing else to do: no HTTP, no
 * signature, no LMS. Returns the time in seconds: what the thread that writes takes at least.
 */
export async function storedAlone({ file, count }: { file: string; count: number }): Promise<number> {
  const { database, runTask } = openWithTasks({ url: `sqlite:${file}`, serve: false, tasks: INBOX_TASKS })
  const now = Date.now
  await migrate({ database, now })
  const replicas = createReplicas({ database, newName: () => 'bench', deadAfterMs: 20_000 })
  await replicas.join()
  const newId = createIds({ now })
  const store = createStore({
    database,
    replicas,
    longestWaitMs: 0,
    now,
    newId,
    random: Math.random,
    hasOutbox: false,
    runTask,
  })
  const groups = Array.from({ length: Math.ceil(count / GROUP) }, (_, group) =>
    Array.from({ length: GROUP }, (_, n) => acceptOf(group * GROUP + n)),
  )
  const began = performance.now()
  await Promise.all(groups.map((writes) => store.write(writes)))
  const seconds = (performance.now() - began) / 1000
  await database.close()
  return seconds
}

function acceptOf(number: number): Write {
  const request = requestOf(number)
  const body = Buffer.from(JSON.stringify(request))
  const digest = createHash('sha256').update(body).digest('hex')
  return { kind: 'accept', webhook: { digest, form: 'original', body, request, reason: null } }
}
