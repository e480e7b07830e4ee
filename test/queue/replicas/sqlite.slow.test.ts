import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../../../src/database/database.ts'
import { startProduct } from '../../harness.ts'
import { run, temporaryFolder, until } from '../../service/process.ts'
import { serveEnv, startServe } from '../../service/serving.ts'

test('a service on SQLite keeps its lease for as long as it runs', async (t) => {
  const product = await startProduct({ timing: { heartbeatMs: 50, deadAfterMs: 1000, landsMs: 1000 } })
  t.after(() => product.stop())
  const database = openDatabase({ url: `sqlite:${product.folder}/lernito.db`, serve: false })
  t.after(() => database.close())
  const seenAt = async () =>
    (await database.db.selectFrom('replicas').select('seen_at').executeTakeFirst())?.seen_at ?? 0
  const start = await seenAt()
  await until('heartbeats for longer than the lease', async () => ((await seenAt()) > start + 2000 ? true : undefined))
  assert.equal((await product.sell({ email: 'ada@example.com' })).status, 200)
})

test('a second service on a SQLite file is refused with one line that says what to do', async (t) => {
  const folder = temporaryFolder(t)
  const lmsUrl = 'http://127.0.0.1:9'
  await startServe({ t, folder, lmsUrl })
  const { code, stderr } = await run({ args: ['serve'], env: serveEnv({ folder, lmsUrl }) })
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^Another lernito-openedx is already running on \S+\/lernito\.db\. Stop it first.*MySQL or MariaDB\.\n$/,
  )
})
