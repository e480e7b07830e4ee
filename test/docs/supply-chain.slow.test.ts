import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
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

test('each package is listed with its licence and its reason, and no other', () => {
  const [made] = tables(readDocument('docs/reference/dependencies.md'))
  const [built] = tables(section(readDocument('test/README.md'), '## Tools'))
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

test('the packages of the site are pinned with their hash, without addresses, and none runs an install script', () => {
  const { devDependencies } = z
    .object({ devDependencies: versions })
    .parse(JSON.parse(readDocument('docs/site/package.json')))
  for (const version of Object.values(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/)
  const text = readDocument('docs/site/package-lock.json')
  assert.doesNotMatch(text, /"resolved"/)
  const { '': _, ...all } = z
    .object({ packages: z.record(z.string(), z.object({ integrity: z.string().optional() })) })
    .parse(JSON.parse(text)).packages
  assert.ok(Object.keys(all).length > 50)
  for (const [path, { integrity }] of Object.entries(all)) assert.match(integrity ?? '', /^sha512-/, path)
  assert.match(project.scripts.site ?? '', /^npm ci --prefix docs\/site --ignore-scripts && /)
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

/** How the text of a licence begins, or words that only it has. */
const TEXTS: Readonly<Record<string, RegExp>> = {
  MIT: /Permission is hereby granted, free of charge/,
  ISC: /Permission to use, copy, modify, and(?:\/or)? distribute this software for any/,
  'BSD-3-Clause': /Redistribution and use in source and binary forms[\s\S]*(?:endorse|promote)/,
  'BSD-0-Clause': /^Zero-Clause BSD/,
  'Apache-2.0': /^\s*Apache License\s+Version 2\.0/,
  'AGPL-3.0': /^\s*GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3/,
}

/** The licences whose texts a package contains. */
function licencesIn(path: string): string[] {
  const folder = join(ROOT, path)
  const files = readdirSync(folder).filter((name) => /^(?:licen[cs]e|copying)/i.test(name))
  const texts = files.map((name) => readFileSync(join(folder, name), 'utf8'))
  return Object.keys(TEXTS).filter((name) => texts.some((text) => TEXTS[name]?.test(text)))
}

test('the licence that a shipped package names is the one whose text it contains, except where the page of dependencies says so', () => {
  const differing = shipped.flatMap(([path, { license = '' }]) => {
    const contained = licencesIn(path)
    return contained.length === 0 || contained.includes(license) ? [] : [`${path}: ${license}, ${contained.join()}`]
  })
  assert.deepEqual(differing, ['node_modules/@openedx/brand-openedx: GPL-3.0-or-later, AGPL-3.0'])
  assert.match(
    readDocument('docs/reference/dependencies.md'),
    /`@openedx\/brand-openedx` names GPL-3\.0-or-later in its `package\.json` and contains the text of the AGPL-3\.0/,
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
