import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { codes, ROOT, readDocument, section, tables } from './documents.ts'

const versions = z.record(z.string(), z.string())
const project = z
  .object({ dependencies: versions, devDependencies: versions, scripts: versions })
  .parse(JSON.parse(readDocument('package.json')))
const locked = z
  .object({
    packages: z.record(
      z.string(),
      z.object({
        version: z.string().optional(),
        license: z.string().optional(),
        integrity: z.string().optional(),
        hasInstallScript: z.boolean().optional(),
        dev: z.boolean().optional(),
        devOptional: z.boolean().optional(),
      }),
    ),
  })
  .parse(JSON.parse(readDocument('package-lock.json'))).packages
const { '': _, ...packages } = locked
/** Without types for the compiler, which the lock file counts as shipped because a driver names them as a peer. */
const shipped = Object.entries(packages).filter(
  ([path, { dev, devOptional }]) => !dev && !devOptional && !/(@types\/\w+|\w+-types)$/.test(path),
)

const licenseOf = (name: string): string =>
  z
    .object({ license: z.string() })
    .parse(JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'))).license

test('docs/explanation/security.md has each package with its licence and its reason, and no other', () => {
  const [made, built] = tables(section(readDocument('docs/explanation/security.md'), '## Dependencies'))
  for (const [rows = [], dependencies] of [
    [made, project.dependencies],
    [built, project.devDependencies],
  ] as const) {
    const documented = rows.map(([name = '', license]) => [codes(name)[0], license])
    assert.deepEqual(
      documented,
      Object.keys(dependencies).map((name) => [name, licenseOf(name)]),
    )
    assert.ok(rows.every(([, , reason = '']) => reason.length > 5))
  }
})

test('every package is pinned, and the lock file has its hash', () => {
  for (const version of Object.values({ ...project.dependencies, ...project.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/)
  }
  const loose = Object.entries(packages).filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? ''))
  assert.deepEqual(loose, [])
})

test('no package runs an install script except the one that installs Node.js', () => {
  const running = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript)
  assert.deepEqual(
    running.map(([path]) => path),
    ['node_modules/node'],
  )
})

test('the licences of all shipped packages are compatible with the AGPL', () => {
  const fit = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'BSD-0-Clause', '0BSD', 'Apache-2.0', 'GPL-3.0-or-later']
  const others = shipped.filter(([, { license = '' }]) => !fit.includes(license))
  assert.deepEqual(
    others.map(([path, { license }]) => `${path}: ${license}`),
    [],
  )
})

const purl = (path: string, version = ''): string =>
  `pkg:npm/${path.replace(/^.*node_modules\//, '').replace('@', '%40')}@${version}`

test('npm run sbom lists every package that is shipped, and no other', () => {
  const [, command = '', file] = /&& (npm sbom .*) > (\S+)$/.exec(project.scripts.sbom ?? '') ?? []
  assert.equal(file, 'dist/sbom.cdx.json')
  const [npm = '', ...args] = command.split(' ')
  const bom = z
    .object({ bomFormat: z.literal('CycloneDX'), components: z.array(z.object({ purl: z.string() })) })
    .parse(JSON.parse(execFileSync(npm, args, { cwd: ROOT, encoding: 'utf8' })))
  assert.deepEqual(
    new Set(bom.components.map((component) => component.purl)),
    new Set(shipped.map(([path, { version }]) => purl(path, version))),
  )
})
