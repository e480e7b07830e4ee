import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '../..')
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))

/** The files that a script gives to Node.js's test runner. */
const filesOf = (script: string): string[] =>
  [...(scripts[script] ?? '').matchAll(/'([^']+)'/g)].flatMap(([, pattern = '']) => globSync(pattern, { cwd: ROOT }))

test('each test file is run by exactly one of npm’s scripts, those of the containers by their own program', () => {
  const run = ['test', 'test:long', 'test:browser', 'test:faults', 'test:throttle', 'test:fuzz'].flatMap(filesOf).sort()
  const all = globSync('test/**/*.test.ts', { cwd: ROOT }).filter((file) => !file.startsWith('test/containers/'))
  assert.ok(all.length > 200)
  assert.deepEqual(run, all.sort())
})
