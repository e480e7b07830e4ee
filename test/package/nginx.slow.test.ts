import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { codeBlocks, readDocument, section } from '../docs/documents.ts'
import { DEMO, SECRET } from '../harness.ts'
import { run, start, temporaryFolder, until } from '../service/process.ts'
import { startLms, startServe } from '../service/serving.ts'
import { freePort } from './ports.ts'
import { has } from './tools.ts'

const [SERVER = ''] = codeBlocks(section(readDocument('docs/how-to/install.md'), '### nginx'), 'nginx')
const skip = has('nginx', '-v') ? false : 'no nginx on this machine'
/** Not that of the test's own connections, so that the log shows what X-Forwarded-For said. */
const SENDER = '127.0.0.2'

/** The guide’s configuration on a free port of loopback, with a certificate of its own, for a service on port `inside`. */
async function configuration(t: TestContext, inside: number) {
  const folder = temporaryFolder(t)
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  })
  const outside = await freePort()
  const changes = [
    ['127.0.0.1:8790', `127.0.0.1:${inside}`],
    ['listen 443 ssl', `listen 127.0.0.1:${outside} ssl`],
    ['/etc/ssl/lernito/fullchain.pem', certificate],
    ['/etc/ssl/lernito/privkey.pem', key],
  ] as const
  for (const [from] of changes) assert.equal(SERVER.split(from).length, 2, from)
  const server = changes.reduce((text, [from, to]) => text.replace(from, to), SERVER)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const http = `access_log off;\n${temporary.join('\n')}\n${server}`
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, `daemon off;\nmaster_process off;\npid ${folder}/pid;\nevents {}\nhttp {\n${http}\n}\n`)
  return { certificate, url: `https://127.0.0.1:${outside}`, args: ['-e', 'stderr', '-c', file] }
}

/** Starts nginx in front of port `inside`. With other ports of its own if a program was faster, because nobody can reserve one. */
async function startNginx(t: TestContext, inside: number): Promise<{ url: string; certificate: string }> {
  for (let tries = 1; ; tries++) {
    const { url, certificate, args } = await configuration(t, inside)
    const { ended } = start({ t, command: ['nginx'], args })
    const answers = until('nginx', () => get(url, '/', certificate))
    const over = await Promise.race([ended, answers])
    if (typeof over === 'number') return { url, certificate }
    answers.catch(() => {})
    if (tries === 3 || !over.stderr.includes('Address already in use')) throw new Error(`nginx ended: ${over.stderr}`)
  }
}

/** The answer to a GET that the path reaches unchanged; undefined while nobody listens. */
const ask = (url: string, path: string, certificate: string): Promise<IncomingMessage | undefined> =>
  new Promise((resolve) => {
    const options = { path, ca: readFileSync(certificate), agent: false, localAddress: SENDER }
    request(url, options, (response) => resolve(response.resume()))
      .on('error', () => resolve(undefined))
      .end()
  })

/** Its status. */
const get = async (url: string, path: string, certificate: string): Promise<number | undefined> =>
  (await ask(url, path, certificate))?.statusCode

describe('the guide’s configuration of nginx', { skip }, () => {
  test('nginx accepts it', async (t) => {
    const { args } = await configuration(t, await freePort())
    const { status, stderr } = spawnSync('nginx', ['-t', ...args], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  })

  test('it forwards a signed webhook with the sender’s address, and no private path', async (t) => {
    const lms = await startLms(t)
    const env = { LERNITO_TRUSTED_PROXIES: '1' }
    const service = await startServe({ t, folder: temporaryFolder(t), lmsUrl: lms.url, env })
    const { url, certificate } = await startNginx(t, Number(new URL(service.url).port))
    const sent = await run({
      args: ['send', '--url', `${url}/api/lernito/webhook/`, '--email', 'alice@example.com', '--course', DEMO],
      env: { LERNITO_WEBHOOK_SECRET: SECRET, NODE_EXTRA_CA_CERTS: certificate },
    })
    assert.match(sent.stdout, /^200 OK\n/, sent.stderr)
    assert.equal(await get(url, '/lernito/openapi.json', certificate), 200)
    for (const path of ['/', '/metrics', '/healthz', '/readyz', '/lernito/../metrics', '/lernito/%2e%2e/metrics']) {
      assert.equal(await get(url, path, certificate), 404, path)
    }
    assert.equal(await get(url, '/lernito/webhook/', certificate), 405)
    for (const path of ['/lernito/openapi.json', '/lernito/webhook/', '/metrics']) {
      const answer = await ask(url, path, certificate)
      assert.equal(answer?.headers['strict-transport-security'], 'max-age=31536000', path)
    }
    const refused = await service.logged(({ msg, status }) => msg.endsWith(' refused') && status === 405)
    assert.equal(refused.ip, SENDER)
  })

  test('while the service is down, it answers 502, after which the shop sends the webhook again', async (t) => {
    const { url, certificate } = await startNginx(t, await freePort())
    assert.equal(await get(url, '/lernito/webhook/', certificate), 502)
  })
})
