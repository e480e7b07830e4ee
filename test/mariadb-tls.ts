import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { NO_OPENSSL } from './lms/certificates.ts'
import { NO_MARIADB, startMariaDb } from './mariadb.ts'

/** Why this machine can't run such a server; false if it can. */
export const NO_TLS_SERVER = NO_MARIADB || NO_OPENSSL

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
const OURS = 'DNS:localhost,IP:127.0.0.1'

/** The certificates that the server can have. `good` is for localhost and 127.0.0.1. */
const CERTIFICATES = {
  good: { authority: 'ca', names: OURS, days: 2 },
  otherName: { authority: 'ca', names: 'DNS:db.example.com,IP:127.0.0.9', days: 2 },
  onlyLocalhost: { authority: 'ca', names: 'DNS:localhost', days: 2 },
  expired: { authority: 'ca', names: OURS, days: -1 },
  otherAuthority: { authority: 'other', names: OURS, days: 2 },
  selfSigned: { authority: null, names: OURS, days: 2 },
} as const
export type CertificateName = keyof typeof CERTIFICATES

/** Makes each certificate of CERTIFICATES with its key in `folder`, and the authorities `ca` and `other`. */
function makeCertificates(folder: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const selfSigned = (name: string, ...more: string[]) =>
    openssl(
      'req',
      '-x509',
      ...KEY,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      ...more,
    )
  for (const authority of ['ca', 'other']) selfSigned(authority)
  for (const [name, { authority, names, days }] of Object.entries(CERTIFICATES)) {
    const alternatives = ['-addext', `subjectAltName=${names}`]
    if (authority === null) {
      selfSigned(name, ...alternatives)
      continue
    }
    openssl('req', ...KEY, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', 'request.pem', ...alternatives)
    const signing = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial', '-days', `${days}`]
    openssl('x509', '-req', '-in', 'request.pem', ...signing, '-copy_extensions', 'copyall', '-out', `${name}.pem`)
  }
}

/**
 * A MariaDB server (see startMariaDb) that takes connections with TLS only. `ca` is a file with two authorities, the one
 * that the service has to trust and a public one; `otherCa` has another one.
 */
export async function startTlsMariaDb() {
  const folder = await mkdtemp(join(tmpdir(), 'lernito-certificates-'))
  makeCertificates(folder)
  const file = (name: string): string => join(folder, name)
  const put = (name: CertificateName): void => {
    copyFileSync(file(`${name}.key`), file('server.key'))
    copyFileSync(file(`${name}.pem`), file('server.pem'))
  }
  put('good')
  // MySQL refuses a certificate of its own that it can't verify.
  const known = ['ca', 'other', 'selfSigned'].map((name) => readFileSync(file(`${name}.pem`), 'utf8'))
  writeFileSync(file('known.pem'), known.join(''))
  const paths = { ca: file('known.pem'), cert: file('server.pem'), key: file('server.key') }
  const tls = ['--require-secure-transport=ON', ...Object.entries(paths).map(([what, path]) => `--ssl-${what}=${path}`)]
  const mariadb = await startMariaDb({ tls })
  writeFileSync(file('bundle.pem'), `${rootCertificates[0]}\n${readFileSync(file('ca.pem'), 'utf8')}`)
  return {
    ...mariadb,
    ca: file('bundle.pem'),
    otherCa: file('other.pem'),
    /** Gives the running server another certificate. */
    use: async (name: CertificateName): Promise<void> => {
      put(name)
      await mariadb.reloadTls()
    },
    remove: async (): Promise<void> => {
      await mariadb.remove()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
