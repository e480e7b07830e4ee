import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createServer } from 'node:tls'
import { listening } from '../listening.ts'

/** Why this machine can't make certificates; false if it can. */
export const NO_OPENSSL =
  spawnSync('openssl', ['version']).error !== undefined && 'no openssl to make certificates with'

const CA = `[ca]
default_ca = any
[any]
database = index.txt
new_certs_dir = .
default_md = sha256
rand_serial = yes
policy = names
copy_extensions = copy
[names]
commonName = supplied
`

export interface Certificate {
  readonly key: string
  readonly cert: string
  /** The certificate file, for NODE_EXTRA_CA_CERTS. */
  readonly file: string
}

/** A self-signed certificate. `from` and `to` are dates such as 2020-01-31. */
export function selfSigned(
  t: TestContext,
  { name, from = '2020-01-01', to = '2090-01-01' }: { name: string; from?: string; to?: string },
): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'lernito-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  writeFileSync(join(folder, 'ca.cnf'), CA)
  writeFileSync(join(folder, 'index.txt'), '')
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem']
  openssl('req', ...key, '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-out', 'request.pem')
  const time = (date: string): string => `${date.replaceAll('-', '')}000000Z`
  const dates = ['-startdate', time(from), '-enddate', time(to)]
  const signing = ['-batch', '-notext', '-selfsign', '-keyfile', 'key.pem', '-in', 'request.pem', '-out', 'cert.pem']
  openssl('ca', '-config', 'ca.cnf', ...dates, ...signing)
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
  return { key: read('key.pem'), cert: read('cert.pem'), file: join(folder, 'cert.pem') }
}

/** A TLS server that forwards the decrypted bytes to `to`. `received` is their number. */
export async function startTls(t: TestContext, { key, cert, to }: Certificate & { to: string }) {
  let received = 0
  const sockets = new Set<Socket>()
  const server = createServer({ key, cert }, (secure) => {
    const plain = connect(Number(new URL(to).port), '127.0.0.1')
    sockets.add(secure).add(plain)
    secure.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    for (const socket of [secure, plain]) socket.on('error', () => {})
    secure.pipe(plain).pipe(secure)
  })
  server.on('tlsClientError', () => {})
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  const { port } = await listening(t, server)
  return { url: `https://localhost:${port}`, received: () => received }
}
