import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { extname, join } from 'node:path'

/**
 * Builds the published package's code from src into dist: JavaScript and types by tsc, and beside them every file that
 * is no TypeScript, such as the console's css. A checkout never runs it: Node.js takes the TypeScript as it is.
 */
const ROOT = join(import.meta.dirname, '..')
const [SRC, DIST] = [join(ROOT, 'src'), join(ROOT, 'dist')]

rmSync(DIST, { recursive: true, force: true })
const { status, error } = spawnSync('tsc', ['-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' })
if (error !== undefined) throw error
if (status === 0) cpSync(SRC, DIST, { recursive: true, filter: (file) => extname(file) !== '.ts' })
process.exitCode = status ?? 1
