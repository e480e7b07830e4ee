import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { signIn } from '../console/harness.ts'
import { createVisitor } from '../console/visitor.ts'
import { exchange, payload } from '../harness.ts'
import { ROOT, temporaryFolder } from './process.ts'
import { sell, startLms, startServe } from './serving.ts'
import { delayFsyncs, skipWithoutStrace } from './strace.ts'

const FSYNC_MS = 1000
const JSON_BODY = { 'content-type': 'application/json' }
const UNSIGNED = payload({ email: 'unsigned@example.com' })
/** While one fsync hung, a process that waits for it answered each question at most twice. */
const ROUNDS = 10

test('a disk that hangs in an fsync delays neither /healthz nor a refusal nor a page of the console', {
  timeout: 180_000,
  skip: skipWithoutStrace,
}, async (t) => {
  const redirectUris: Record<string, string[]> = {}
  const lms = await startLms(t, { redirectUris })
  const { url } = await startServe({
    t,
    folder: temporaryFolder(t),
    lmsUrl: lms.url,
    env: {
      LERNITO_ANSWER_WITHIN_MS: '0',
      LERNITO_CONSOLE_CLIENT_ID: 'console-client',
      LERNITO_CONSOLE_CLIENT_SECRET: 'console-client-secret',
    },
    command: [...delayFsyncs(FSYNC_MS), process.execPath, join(ROOT, 'src/cli/main.ts')],
  })
  const console = `${url}/lernito/console`
  redirectUris['console-client'] = [`${console}/callback`]
  const operator = createVisitor()
  await signIn(operator, { console, lmsUrl: lms.url })
  const questions = {
    health: () => exchange({ url: `${url}/healthz`, method: 'GET' }),
    refusal: () => exchange({ url: `${url}/api/lernito/webhook/`, headers: JSON_BODY, body: UNSIGNED }),
    page: () => operator.get(`${console}/deliveries`),
  }

  const sale = { answered: false }
  const answer = sell({ url, email: 'buyer@example.com' }).finally(() => {
    sale.answered = true
  })
  const rounds = { before: 0 }
  while (!sale.answered) {
    assert.equal((await questions.health()).status, 200)
    assert.equal((await questions.refusal()).status, 401)
    assert.equal((await questions.page()).status, 200)
    if (!sale.answered) rounds.before++
  }

  assert.equal((await answer)?.status, 202)
  assert.ok(rounds.before >= ROUNDS, `only ${rounds.before} rounds of questions were answered meanwhile`)
})
