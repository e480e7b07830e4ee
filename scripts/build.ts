import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { extname, join } from 'node:path'

/**
 * Builds the code of the published package from src and sandbox into dist: tsc writes JavaScript, types and the JSON that
 * is imported, and every other file, such as the console's CSS, is copied. A checkout doesn't need it, because Node.js
 * runs the TypeScript.
 */
const ROOT = join(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')
const NOT_COPIED: readonly string[] = ['.ts', '.md']

rmSync(DIST, { recursive: true, force: true })
const { status, error } = spawnSync('tsc', ['-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' })
if (error !== undefined) throw error
if (status === 0) {
  cpSync(join(ROOT, 'src'), join(DIST, 'src'), {
    recursive: true,
    filter: (file) => !NOT_COPIED.includes(extname(file)),
  })
}
process.exitCode = status ?? 1
