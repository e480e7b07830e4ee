import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startProduct } from '../harness.ts'
import { run, until } from '../service/process.ts'
import { sell, serveEnv } from '../service/serving.ts'
import { inboxOf } from './inboxes.ts'

test('lists when the LMS was away, how many sales waited, and when the last of them was enrolled', async (t) => {
  const product = await startProduct({})
  t.after(() => product.stop())
  const env = serveEnv({ folder: product.folder, lmsUrl: 'http://127.0.0.1:9' })
  const list = async (...more: string[]) => (await run({ args: ['incidents', 'list', ...more], env })).stdout
  await product.lms.faults([{ status: 503 }])
  await sell({ url: product.url, email: 'alice@example.com' })
  const began = await until(
    'the incident',
    async () => /"kind":"down".*"to":null/.exec(await list('--json')) ?? undefined,
  )
  assert.match(began[0], /"cause":"[^"]+503/)
  await product.lms.noFaults()
  const ended = await until(
    'its end',
    async () =>
      /"to":\d+.*"sales":\{"count":1,"more":false\},"queued":0,"lastEnrolledAt":\d+/.exec(await list('--json')) ??
      undefined,
  )
  assert.ok(ended)
  const text = await list()
  assert.match(text, /^FROM +TO +KIND +SALES +STILL QUEUED +LAST ENROLLED +CAUSE\n/)
  assert.match(text, / +down +1 +/)
})

test('says if there is none, and that it takes list', async (t) => {
  const { command } = await inboxOf(t)
  assert.equal((await command('incidents', 'list')).stderr, 'No incident was recorded.\n')
  assert.equal((await command('incidents', 'show')).code, 2)
})
