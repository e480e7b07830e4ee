import assert from 'node:assert/strict'
import { chownSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { exchange } from '../harness.ts'
import { ROOT, run, start, temporaryFolder } from '../service/process.ts'
import { sell, serveEnv, startHoldingLms, startLms, startServe } from '../service/serving.ts'

const NOBODY = 'http://127.0.0.1:9'
const MAIN = join(ROOT, 'src/cli/main.ts')

/** Runs a `serve` that must fail, and returns the lines of its standard error. */
async function failing({ env, cwd }: { env: Record<string, string>; cwd: string }): Promise<string[]> {
  const { code, stdout, stderr } = await run({ args: ['serve'], env, cwd })
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  assert.ok(stderr.endsWith('\n'))
  return stderr.slice(0, -1).split('\n')
}

describe('serve', { concurrency: 2 }, () => {
  test('without settings, a line for each missing one says what to set, and the exit code is 1', async (t) => {
    const lines = await failing({ env: {}, cwd: temporaryFolder(t) })
    assert.deepEqual(
      lines.map((line) => line.split(' is missing. Set it to ')[0]),
      ['LERNITO_WEBHOOK_SECRET', 'LERNITO_LMS_URL', 'LERNITO_LMS_CLIENT_ID', 'LERNITO_LMS_CLIENT_SECRET'],
    )
  })

  test('with wrong settings, a line names each without showing a secret, and the exit code is 1', async (t) => {
    const cwd = temporaryFolder(t)
    const wrong = {
      LERNITO_WEBHOOK_SECRET: '123456',
      LERNITO_LMS_URL: 'lms.example.com',
      LERNITO_PORT: '65536',
      LERNITO_ANSWER_WITHIN_MS: '-1',
      LERNITO_LOG_LEVEL: 'loud',
      LERNITO_DATABASE_URL: 'postgres://x',
    }
    const lines = await failing({ env: { ...serveEnv({ folder: cwd, lmsUrl: NOBODY }), ...wrong }, cwd })
    assert.deepEqual(lines.map((line) => line.split(' ')[0]).sort(), Object.keys(wrong).sort())
    assert.ok(!lines.join().includes('123456'))
  })

  test('a database that can’t be opened gets one line that names the setting, and exit code 1', async (t) => {
    const cwd = temporaryFolder(t)
    writeFileSync(join(cwd, 'file'), '')
    const [line = '', ...more] = await failing({ env: serveEnv({ folder: join(cwd, 'file'), lmsUrl: NOBODY }), cwd })
    assert.deepEqual(more, [])
    assert.match(line, /lernito\.db can't be opened .*LERNITO_DATABASE_URL/)
  })

  const byRoot = { skip: process.getuid?.() === 0 ? false : 'only root can leave a file of another user' }
  test('a file of another user beside the database is named by the service and by doctor', byRoot, async (t) => {
    const cwd = temporaryFolder(t)
    const env = serveEnv({ folder: cwd, lmsUrl: NOBODY })
    await run({ args: ['migrate'], env, cwd })
    for (const path of [cwd, join(cwd, 'lernito.db')]) chownSync(path, 65_534, 65_534)
    writeFileSync(join(cwd, 'lernito.db.lock'), '', { mode: 0o600 })
    const command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, MAIN] as const
    const served = await run({ args: ['serve'], env, cwd, command })
    assert.equal(served.code, 1)
    assert.match(served.stderr, /can't be opened \(this user may not write to \S+\/lernito\.db\.lock\)\..*\n$/)
    const { stdout } = await run({ args: ['doctor'], env, cwd, command })
    assert.match(stdout, /this user may not write to \S+\/lernito\.db\.lock\.\n +What to do: .*`chown`/)
  })

  test('a file that is no database is called that, by every command, and is left as it is', async (t) => {
    const cwd = temporaryFolder(t)
    const env = serveEnv({ folder: cwd, lmsUrl: NOBODY })
    const garbage = 'not a database, but a letter to the editor. '.repeat(100)
    writeFileSync(join(cwd, 'lernito.db'), garbage)
    const [line = '', ...more] = await failing({ env, cwd })
    assert.deepEqual(more, [])
    assert.match(line, /lernito\.db is not a SQLite database, or it is damaged .*LERNITO_DATABASE_URL/)
    for (const args of [['migrate'], ['deliveries', 'list'], ['doctor']]) {
      const { code, stdout, stderr } = await run({ args, env, cwd })
      assert.equal(code, 1)
      assert.match(`${stdout}${stderr}`, /is not a (SQLite )?database/)
    }
    assert.equal(readFileSync(join(cwd, 'lernito.db'), 'utf8'), garbage)
  })

  test('reads .env in the working folder; the environment takes precedence', async (t) => {
    const cwd = temporaryFolder(t)
    const settings = {
      ...serveEnv({ folder: 'data', lmsUrl: 'http://127.0.0.1:9/from-file' }),
      LERNITO_HOST: 'no.host',
    }
    const text = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(join(cwd, '.env'), text.join(''))
    const running = start({ t, args: ['serve'], cwd, env: { LERNITO_HOST: '127.0.0.1' } })
    const { lms, url } = await running.logged(({ msg }) => msg === 'ready for webhooks')
    assert.equal(lms, 'http://127.0.0.1:9/from-file')
    assert.match(String(url), /^http:\/\/127\.0\.0\.1:\d+$/)
  })

  test('a port in use gets one line that says what to do, and exit code 1', async (t) => {
    const cwd = temporaryFolder(t)
    const { port } = new URL((await startLms(t)).url)
    const env = { ...serveEnv({ folder: cwd, lmsUrl: NOBODY }), LERNITO_PORT: port }
    const [line = '', ...more] = await failing({ env, cwd })
    assert.deepEqual(more, [])
    assert.match(line, new RegExp(`127\\.0\\.0\\.1 port ${port}.* Stop the program that listens there.*LERNITO_PORT`))
  })

  test('an address that this machine doesn’t have is no program that could be stopped', async (t) => {
    const cwd = temporaryFolder(t)
    const env = { ...serveEnv({ folder: cwd, lmsUrl: NOBODY }), LERNITO_HOST: '192.0.2.1' }
    const [line = '', ...more] = await failing({ env, cwd })
    assert.deepEqual(more, [])
    assert.match(line, /^The service can't listen on 192\.0\.2\.1 port \d+ \(.*\)\. Set LERNITO_HOST and LERNITO_PORT/)
  })

  test('a second service on the same SQLite file is refused in one line; the first continues', async (t) => {
    const cwd = temporaryFolder(t)
    const lms = await startLms(t)
    const first = await startServe({ t, folder: cwd, lmsUrl: lms.url })
    const [line = '', ...more] = await failing({ env: serveEnv({ folder: cwd, lmsUrl: lms.url }), cwd })
    assert.deepEqual(more, [])
    assert.match(line, /is already running on .*lernito\.db\. Stop it first.*LERNITO_DATABASE_URL/)
    assert.equal((await sell({ url: first.url, email: 'alice@example.com' }))?.status, 200)
  })

  test('at its start, it asks the LMS once, warns with the cause, and answers webhooks meanwhile', async (t) => {
    const closed = await startServe({ t, folder: temporaryFolder(t), lmsUrl: NOBODY })
    const warned = ({ msg }: { msg: string }): boolean => msg.startsWith('the LMS cannot be used now')
    assert.match(String((await closed.logged(warned)).reason), /ECONNREFUSED/)

    const wrong = { LERNITO_LMS_CLIENT_SECRET: 'wrong' }
    const lms = await startHoldingLms(t)
    await lms.faults([{ path: '/oauth2/access_token', delayMs: 1 }])
    const running = await startServe({ t, folder: temporaryFolder(t), lmsUrl: lms.url, env: wrong })
    await lms.arrived
    const url = `${running.url}/api/lernito/webhook/`
    assert.equal((await exchange({ url })).status, 415)
    lms.release()
    assert.match(String((await running.logged(warned)).reason), /invalid_client/)
  })

  test('standard output is JSON lines, with a warning for a guessable secret and an unknown setting', async (t) => {
    const env = { LERNITO_WEBHOOK_SECRET: 'short-one', LERNITO_POTR: '1' }
    const running = await startServe({ t, folder: temporaryFolder(t), lmsUrl: NOBODY, env })
    assert.equal((await exchange({ url: `${running.url}/readyz`, method: 'GET' })).status, 200)
    running.child.kill('SIGTERM')
    const { stdout, stderr } = await running.ended
    assert.equal(stderr, '')
    assert.equal(running.log().length, stdout.split('\n').length - 1)
    const warnings = running.log().filter(({ level }) => level === 'warn')
    assert.match(warnings[0]?.msg ?? '', /^LERNITO_WEBHOOK_SECRET is shorter/)
    assert.match(warnings[1]?.msg ?? '', /^LERNITO_POTR is not a setting/)
    assert.ok(warnings.every(({ msg }) => /^LERNITO_|^the LMS cannot be used now/.test(msg)))
    assert.ok(!stdout.includes('short-one'))
  })
})
