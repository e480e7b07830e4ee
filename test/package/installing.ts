import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

/** Installs a tarball in an empty folder as a user does. Gives the folder of the package. */
export async function install({ tarball, folder }: { tarball: string; folder: string }): Promise<string> {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  await runFile('npm', ['install', tarball, ...options], { cwd: folder, env: ENV })
  return join(folder, 'node_modules/lernito-openedx')
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
