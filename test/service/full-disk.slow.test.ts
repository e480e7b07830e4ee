import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT, temporaryFolder } from './process.ts'
import { sell, startLms, startServe, storedDeliveries } from './serving.ts'

/** The shell limits each file of the service to 2048 blocks: a larger write fails as on a full disk. */
const LITTLE_ROOM = [
  'sh',
  '-c',
  'ulimit -f 2048 && exec "$0" "$@"',
  process.execPath,
  join(ROOT, 'src/cli/main.ts'),
] as const

test('with a full disk a sale gets 503 and is not stored; sent again once there is room, it is accepted', async (t) => {
  const folder = temporaryFolder(t)
  const lms = await startLms(t)
  const env = { LERNITO_ANSWER_WITHIN_MS: '0', NODE_COMPILE_CACHE: '' }
  const full = await startServe({ t, folder, lmsUrl: lms.url, env, command: LITTLE_ROOM })
  const sale = (number: number) => ({ email: `buyer${number}@example.com`, name: 'x'.repeat(250) })
  let accepted = 0
  let refused = await sell({ url: full.url, ...sale(accepted) })
  while (refused?.status === 202) {
    accepted++
    assert.ok(accepted < 2000, 'the disk is never full')
    refused = await sell({ url: full.url, ...sale(accepted) })
  }
  assert.equal(refused?.status, 503)
  assert.match(refused.headers['retry-after'] ?? '', /^[1-9]\d*$/)
  assert.equal(refused.headers['x-lernito-delivery'], undefined)
  assert.match(refused.text, /^{"success":false,"message":"The delivery could not be stored/)
  // A shop repeats what is refused, so the line about each is short: nothing but what an operator needs.
  const line = await full.logged(({ msg }) => msg === 'request could not be served')
  assert.deepEqual(Object.keys(line), ['level', 'time', 'msg', 'error', 'cause', 'path'])
  assert.ok(accepted > 0)
  const emails = (await storedDeliveries(folder)).map(({ email }) => email)
  assert.equal(emails.length, accepted)
  assert.ok(!emails.includes(sale(accepted).email))
  full.child.kill('SIGKILL')
  await full.ended

  const roomy = await startServe({ t, folder, lmsUrl: lms.url, env: { LERNITO_ANSWER_WITHIN_MS: '20000' } })
  assert.equal((await sell({ url: roomy.url, ...sale(accepted) }))?.status, 200)
  const { allowances } = await lms.state()
  assert.ok(allowances.some(({ email }) => email === sale(accepted).email))
})
