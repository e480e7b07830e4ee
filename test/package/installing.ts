import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { ROOT } from '../service/process.ts'

const runFile = promisify(execFile)
const NOBODY = '65534'

/** This Node.js comes first on the PATH, whichever the machine has. */
const ENV = { ...process.env, PATH: [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter) }

const packed = z.tuple([z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) })])

export interface Packed {
  readonly tarball: string
  readonly files: readonly string[]
}

const lock = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional(), dev: z.boolean().optional() })),
})
/** The packages of a lock file, as name@version; without itself and what is only for development. */
export const packagesOf = (file: string): string[] =>
  Object.entries(lock.parse(JSON.parse(readFileSync(file, 'utf8'))).packages)
    .map(([path, of]) => ({ ...of, name: path.split('node_modules/').at(-1) ?? '' }))
    .filter(({ name, dev }) => !dev && name !== '' && name !== 'lernito-openedx')
    .map(({ name, version }) => `${name}@${version}`)
    .sort()

/** A folder that others may look into, unlike mkdtemp's own. */
export function openFolder(prefix: string): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  chmodSync(folder, 0o755)
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** The files that git knows or would take, copied: what a fresh checkout has. */
export function copyCheckout(into: string): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  for (const file of listed.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(into, file)), { recursive: true })
    copyFileSync(join(ROOT, file), join(into, file))
  }
}

/** Gives a copied checkout another version of the service, as a release does. */
export const writeVersion = (checkout: string, version: string): void =>
  writeFileSync(join(checkout, 'src/service/lib/version.ts'), `export const VERSION: string = '${version}'\n`)

/** `npm pack` in a copy of this checkout and an empty file more, so that nothing of yesterday's build gets in. */
export async function pack({ folder, more }: { folder: string; more: string }): Promise<Packed> {
  const checkout = join(folder, 'checkout')
  copyCheckout(checkout)
  mkdirSync(dirname(join(checkout, more)), { recursive: true })
  writeFileSync(join(checkout, more), '')
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
  const { stdout } = await runFile('npm', ['pack', '--json', '--pack-destination', folder], { cwd: checkout, env: ENV })
  // The output of prepack comes before the JSON.
  const [{ filename, files }] = packed.parse(JSON.parse(stdout.slice(stdout.indexOf('['))))
  return { tarball: join(folder, filename), files: files.map(({ path }) => path).sort() }
}

/**
 * A registry that has the tarball, and sends npm to its usual one for every other package. As a registry does, it says
 * that the package brings its versions along: npm doesn't look for that in a tarball that comes in another way.
 */
async function startRegistry({ tarball, usual }: { tarball: string; usual: string }) {
  const bytes = readFileSync(tarball)
  const manifest = z
    .looseObject({ name: z.string(), version: z.string() })
    .parse(JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' })))
  const hasList = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).includes('package/npm-shrinkwrap.json\n')
  const server = createServer(({ url = '', headers: { host } }, response) => {
    if (url === '/tarball.tgz') return void response.end(bytes)
    if (url !== `/${manifest.name}`) return void response.writeHead(307, { location: new URL(url, usual).href }).end()
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
    const dist = { tarball: `http://${host}/tarball.tgz`, integrity }
    const versions = { [manifest.version]: { ...manifest, dist, _hasShrinkwrap: hasList } }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ name: manifest.name, 'dist-tags': { latest: manifest.version }, versions }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return { url: `http://127.0.0.1:${port}/`, name: manifest.name, close: () => server.close() }
}

/** Installs a tarball from a registry in an empty folder, as a user does. Gives the folder of the package. */
export async function install({ tarball, folder }: { tarball: string; folder: string }): Promise<string> {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  const { stdout } = await runFile('npm', ['config', 'get', 'registry'], { cwd: folder, env: ENV })
  const registry = await startRegistry({ tarball, usual: stdout.trim() })
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', `--registry=${registry.url}`]
  await runFile('npm', ['install', registry.name, ...options], { cwd: folder, env: ENV }).finally(registry.close)
  return join(folder, 'node_modules', registry.name)
}

/**
 * What runs a program as somebody who owns none of our files: nobody where we are root. Elsewhere we stay who we are,
 * and only the missing write permission counts.
 */
export const asSomebodyElse: readonly string[] =
  process.getuid?.() === 0 ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []

/** A folder that asSomebodyElse may write to. */
export function theirFolder(folder: string): string {
  mkdirSync(folder)
  if (asSomebodyElse.length > 0) execFileSync('chown', [NOBODY, folder])
  return folder
}

export const makeReadOnly = (folder: string): unknown => execFileSync('chmod', ['-R', 'a-w,a+rX', folder])
