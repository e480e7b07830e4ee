import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run, temporaryFolder } from '../service/process.ts'
import { serveEnv, startServe } from '../service/serving.ts'

test('a second service on one SQLite file is refused with one line that says what to do', async (t) => {
  const folder = temporaryFolder(t)
  const lmsUrl = 'http://127.0.0.1:9'
  await startServe({ t, folder, lmsUrl })
  const { code, stderr } = await run({ args: ['serve'], env: serveEnv({ folder, lmsUrl }) })
  assert.equal(code, 1)
  assert.match(stderr, /^Another lernito-openedx serves \S+\/lernito\.db already\. Stop it first.*mysql:\/\/\.\n$/)
})
