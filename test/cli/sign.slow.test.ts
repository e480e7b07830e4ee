import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { signStandard } from '../../src/signature/standard.ts'
import { SECRET } from '../harness.ts'
import { run, temporaryFolder } from '../service/process.ts'
import { type RecordedCase, recordedCases } from '../webhook/recorded-cases.ts'

const CASES = recordedCases('lernito-webhook.json')
const env = { LERNITO_WEBHOOK_SECRET: SECRET }

function recorded(name: string): { body: string; signature: string | undefined } {
  const found: RecordedCase | undefined = CASES.find((one) => one.name === name)
  assert.ok(found, `no recording is called ${name}`)
  return { body: found.request.body, signature: found.request.headers['x-lernito-signature'] }
}

describe('sign', { concurrency: 2 }, () => {
  test('prints the signature of a file that the original plugin accepted', async (t) => {
    const { body, signature } = recorded('unknown person, one course')
    const cwd = temporaryFolder(t)
    writeFileSync(join(cwd, 'payload.json'), body)
    const ended = await run({ args: ['sign', 'payload.json'], env, cwd })
    assert.deepEqual(ended, { code: 0, signal: null, stdout: `${signature}\n`, stderr: '' })
  })

  test('prints the signature of standard input, with or without "-"', async () => {
    const { body, signature } = recorded('non-ASCII name, sent as UTF-8')
    for (const args of [['sign'], ['sign', '-']]) {
      assert.equal((await run({ args, env, input: body })).stdout, `${signature}\n`)
    }
  })

  test('waits for a slow writer on standard input', async () => {
    const { body, signature } = recorded('unknown person, one course')
    const slow = async function* () {
      yield body.slice(0, 9)
      await delay(800) // the process is up and has read the first part; were it not, it would only be spared the wait
      yield body.slice(9)
    }
    const ended = await run({ args: ['sign'], env, input: Readable.from(slow()) })
    assert.deepEqual(ended, { code: 0, signal: null, stdout: `${signature}\n`, stderr: '' })
  })

  const forms = {
    original: 'canonical form: floats',
    readme: 'as the README script signs it: sorted, with spaces',
    raw: 'of the raw body, which differs from the canonical form',
  }
  for (const [form, name] of Object.entries(forms)) {
    test(`--form ${form} gives the recorded signature`, async () => {
      const { body, signature } = recorded(name)
      assert.equal((await run({ args: ['sign', '--form', form], env, input: body })).stdout, `${signature}\n`)
    })
  }

  test('--standard prints the three headers of Standard Webhooks, which verify for the bytes', async () => {
    const { body } = recorded('unknown person, one course')
    const args = ['sign', '--standard', '--id', 'order-1']
    const { code, stdout } = await run({ args, env, input: body })
    assert.equal(code, 0)
    const headers = new Map(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => [line.split(': ')[0], line.split(': ')[1]]),
    )
    assert.deepEqual([...headers.keys()], ['webhook-id', 'webhook-timestamp', 'webhook-signature'])
    assert.equal(headers.get('webhook-id'), 'order-1')
    const timestamp = Number(headers.get('webhook-timestamp'))
    assert.ok(Math.abs(timestamp - Date.now() / 1000) < 60)
    assert.equal(headers.get('webhook-signature'), signStandard({ id: 'order-1', timestamp, body, secret: SECRET }))
  })

  test('--standard signs bytes that are not JSON too, and makes up a new id each time', async () => {
    const ids = await Promise.all(
      [1, 2].map(
        async () => (await run({ args: ['sign', '--standard'], env, input: '{nonsense' })).stdout.split('\n')[0],
      ),
    )
    for (const id of ids) assert.match(id ?? '', /^webhook-id: msg_[0-9a-f-]{36}$/)
    assert.notEqual(ids[0], ids[1])
  })

  test('reads the secret from .env or from a file, as the service does', async (t) => {
    const { body, signature } = recorded('unknown person, one course')
    const cwd = temporaryFolder(t)
    writeFileSync(join(cwd, 'secret'), `${SECRET}\n`)
    const fromFile = { LERNITO_WEBHOOK_SECRET_FILE: 'secret' }
    assert.equal((await run({ args: ['sign'], env: fromFile, input: body, cwd })).stdout, `${signature}\n`)
    writeFileSync(join(cwd, '.env'), `LERNITO_WEBHOOK_SECRET=${SECRET}\n`)
    assert.equal((await run({ args: ['sign'], env: {}, input: body, cwd })).stdout, `${signature}\n`)
  })

  const errors: Record<string, { args: string[]; code: number; says: RegExp; env?: Record<string, string> }> = {
    'a body that is not JSON': { args: ['sign', '-'], code: 1, says: /can't be signed: .*line 1 column 2/ },
    'a missing file': { args: ['sign', 'no-such.json'], code: 1, says: /from no-such\.json: ENOENT/ },
    'no secret': { args: ['sign'], code: 1, says: /^LERNITO_WEBHOOK_SECRET is missing\. Set it/, env: {} },
    'two files': { args: ['sign', 'a.json', 'b.json'], code: 2, says: /one file.* --help/ },
    '--standard with a form': { args: ['sign', '--standard', '--form', 'raw'], code: 2, says: /exclude each other/ },
    'an id without --standard': { args: ['sign', '--id', 'x'], code: 2, says: /--id needs --standard/ },
    'an id that no service accepts': { args: ['sign', '--standard', '--id', 'a b'], code: 1, says: /printable ASCII/ },
    'a secret that is no base64 after whsec_': {
      args: ['sign', '--standard'],
      code: 1,
      says: /can't be signed: .*whsec_/,
      env: { LERNITO_WEBHOOK_SECRET: 'whsec_not-base64' },
    },
    'an unknown form': { args: ['sign', '--form', 'xml'], code: 2, says: /xml .* original, readme or raw/ },
  }
  for (const [what, { args, code, says, env: own = env }] of Object.entries(errors)) {
    test(`${what}: one line on standard error, and exit code ${code}`, async () => {
      const ended = await run({ args, env: own, input: '{nonsense' })
      assert.deepEqual({ code: ended.code, stdout: ended.stdout }, { code, stdout: '' })
      assert.match(ended.stderr, says)
      assert.match(ended.stderr, /^[^\n]+\n$/)
    })
  }
})
