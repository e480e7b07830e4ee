import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { SECRET } from '../harness.ts'
import { run, temporaryFolder } from '../service/process.ts'
import { serveEnv, startLms } from '../service/serving.ts'

const results = z.array(
  z.strictObject({
    id: z.string(),
    about: z.string(),
    status: z.enum(['ok', 'warning', 'failure', 'skipped']),
    detail: z.string().nullable(),
    problems: z.array(
      z.strictObject({
        cause: z.string(),
        status: z.enum(['warning', 'failure']),
        message: z.string(),
        fix: z.strictObject({ plain: z.string(), tutor: z.string().nullable() }),
      }),
    ),
  }),
)

describe('doctor', { concurrency: 2 }, () => {
  test('prints a line for each check and a summary, with exit code 0 if all checks pass', async (t) => {
    const { url } = await startLms(t)
    const env = serveEnv({ folder: temporaryFolder(t), lmsUrl: url })
    const { code, stdout, stderr } = await run({ args: ['doctor'], env })
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.match(stdout, /^ok {7}settings /)
    assert.match(stdout, /\n\n\d+ ok, \d skipped\.\n$/)
  })

  test('a warning is not a failure: the exit code is 0', async (t) => {
    const { url } = await startLms(t, { bulk: false, modify: false })
    const env = serveEnv({ folder: temporaryFolder(t), lmsUrl: url })
    const { code, stdout } = await run({ args: ['doctor'], env })
    assert.equal(code, 0)
    assert.match(stdout, /^warning {2}lms\.bulk_enroll /m)
    assert.match(stdout, /ENABLE_BULK_ENROLLMENT_VIEW/)
  })

  test('a failure shows its cause and its fix but no secret, and the exit code is 1', async (t) => {
    const { url } = await startLms(t)
    const env = serveEnv({ folder: temporaryFolder(t), lmsUrl: url })
    const wrong = { ...env, LERNITO_LMS_CLIENT_SECRET: 'wrong-client-secret' }
    const { code, stdout, stderr } = await run({ args: ['doctor'], env: wrong })
    assert.deepEqual({ code, stderr }, { code: 1, stderr: '' })
    assert.match(
      stdout,
      /^failure {2}lms\.token .*\n\n.*\(invalid_client\)\.\n.*create_dot_application.*\n.*tutor config save/m,
    )
    for (const secret of [SECRET, 'wrong-client-secret']) assert.ok(!stdout.includes(secret))
  })

  test('--json prints an array with stable ids, causes and fixes', async (t) => {
    const env = serveEnv({ folder: temporaryFolder(t), lmsUrl: 'http://127.0.0.1:9' })
    const { code, stdout } = await run({ args: ['doctor', '--json'], env })
    assert.equal(code, 1)
    const lms = results.parse(JSON.parse(stdout)).find(({ id }) => id === 'lms')
    assert.deepEqual(
      lms?.problems.map(({ cause, status }) => [cause, status]),
      [['lms.refused', 'failure']],
    )
  })

  test('reads .env in the working folder as serve does', async (t) => {
    const cwd = temporaryFolder(t)
    const settings = serveEnv({ folder: cwd, lmsUrl: 'http://127.0.0.1:9' })
    writeFileSync(
      join(cwd, '.env'),
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
    const { stdout } = await run({ args: ['doctor'], cwd })
    assert.match(stdout, /^ok {7}settings /)
  })

  test('a folder .env, as a virtual environment of Python may be, holds no settings', async (t) => {
    const cwd = temporaryFolder(t)
    mkdirSync(join(cwd, '.env'))
    const { code, stdout, stderr } = await run({ args: ['doctor'], cwd })
    assert.deepEqual([code, stderr], [1, ''])
    assert.match(stdout, /^failure {2}settings /)
  })

  test('an unknown option gets exit code 2', async () => {
    const { code, stdout, stderr } = await run({ args: ['doctor', '--fix'] })
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    assert.match(stderr, /--fix.* lernito-openedx doctor --help\n$/)
  })
})
