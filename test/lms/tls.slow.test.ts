import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { run, temporaryFolder } from '../service/process.ts'
import { sell, serveEnv, startLms, startServe } from '../service/serving.ts'
import { type Certificate, NO_OPENSSL, selfSigned, startTls } from './certificates.ts'
import { json, startScriptedLms } from './scripted-lms.ts'
import { transportTo } from './transport-to.ts'
import { waitingForHttp } from './waiting-for-http.ts'

const NAME = 'localhost'
const INSECURE = 'NODE_TLS_REJECT_UNAUTHORIZED'

/** The result of a call with a token to an LMS with this certificate, and how many bytes of it were sent. */
async function call(t: TestContext, certificate: Certificate) {
  const lms = await startScriptedLms(t)
  lms.on('GET /heartbeat', json(200, { sql: { status: true } }))
  const tls = await startTls(t, { ...certificate, to: lms.url })
  const sent = await transportTo(t, tls.url)()
  return { ok: sent.ok, says: sent.ok ? '' : sent.failure.message, received: tls.received() }
}

/** `serve` in front of an LMS with this certificate, which it trusts, and a sale. */
async function serveAndSell(t: TestContext, certificate: Certificate) {
  const lms = await startLms(t)
  const tls = await startTls(t, { ...certificate, to: lms.url })
  const env = { NODE_EXTRA_CA_CERTS: certificate.file, LERNITO_ANSWER_WITHIN_MS: '20000' }
  const serving = await startServe({ t, folder: temporaryFolder(t), lmsUrl: tls.url, env })
  const answered = await sell({ url: serving.url, email: 'alice@example.com' })
  return { serving, tls, status: answered?.status }
}

describe('an LMS over TLS', { skip: NO_OPENSSL }, () => {
  test('a self-signed certificate is refused before a byte is sent, and the message says what to do', async (t) => {
    const { ok, says, received } = await call(t, selfSigned(t, { name: NAME }))
    assert.equal(ok, false)
    assert.match(
      says,
      /this machine does not trust the authority that issued its certificate; .* NODE_EXTRA_CA_CERTS .*\(\w+\)$/,
    )
    assert.equal(received, 0)
  })

  test('a self-signed certificate is refused even if the environment turns the check off', async (t) => {
    t.after(() => {
      delete process.env[INSECURE]
    })
    process.env[INSECURE] = '0'
    const { ok, received } = await call(t, selfSigned(t, { name: NAME }))
    assert.deepEqual({ ok, received }, { ok: false, received: 0 })
  })

  test('a service whose environment turns the check off does not start', async (t) => {
    const cwd = temporaryFolder(t)
    const env = { ...serveEnv({ folder: cwd, lmsUrl: 'https://lms.example.com' }), [INSECURE]: '0' }
    const { code, stderr } = await run({ args: ['serve'], env, cwd })
    assert.equal(code, 1)
    assert.match(stderr, /^NODE_TLS_REJECT_UNAUTHORIZED=0 .* Remove it\. .*NODE_EXTRA_CA_CERTS/m)
  })

  test('a self-signed certificate is accepted once NODE_EXTRA_CA_CERTS names it', async (t) => {
    const { status } = await serveAndSell(t, selfSigned(t, { name: NAME }))
    assert.equal(status, 200)
  })

  for (const [what, certificate, says] of [
    ['for another name', { name: 'other.example' }, 'is for another name than that in LERNITO_LMS_URL'],
    ['that has expired', { name: NAME, to: '2020-01-02' }, 'has expired'],
    ['that is not valid yet', { name: NAME, from: '2089-01-01' }, 'is not valid yet'],
  ] as const) {
    test(`a certificate ${what} is refused, even if it is trusted`, async (t) => {
      const { serving, tls, status } = await serveAndSell(t, selfSigned(t, certificate))
      assert.equal(status, 500)
      const { reason } = await serving.logged(({ msg }) => msg.startsWith('LMS unavailable'))
      assert.match(String(reason), new RegExp(`its certificate ${says}`))
      assert.equal(tls.received(), 0)
    })
  }

  test('the message names a server that doesn’t use TLS', async (t) => {
    const lms = await startScriptedLms(t)
    const sent = await transportTo(t, lms.url.replace('http:', 'https:'))()
    assert.match(sent.ok ? '' : sent.failure.message, /the server there does not use TLS: write http:\/\/ /)
  })

  test('the message names plain HTTP as a possible cause if a server answers no TLS handshake', async (t) => {
    const sent = await transportTo(t, `https://${await waitingForHttp(t)}`, 30_000)()
    assert.match(sent.ok ? '' : sent.failure.message, /no TLS connection within 10 s: .* write http:\/\/ /)
  })
})
