import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { codeBlocks, codes, ROOT, readDocument, tables } from './documents.ts'

const contributing = readDocument('CONTRIBUTING.md')
const ofTests = readDocument('test/README.md')
/** The commands, paths and names in the texts, without the blocks. */
const named = [contributing, ofTests].flatMap((text) => codes(text.replaceAll(/^```.*?^```$/gms, '')))
const packageFile = z.object({ scripts: z.record(z.string(), z.string()) })

test('every npm script that CONTRIBUTING and the page of the tests name is in package.json', () => {
  const { scripts } = packageFile.parse(JSON.parse(readDocument('package.json')))
  const text = [...codeBlocks(contributing, 'sh'), ...named].join('\n')
  const scriptNames = [...text.matchAll(/\bnpm (?:run )?([a-z:]+)/g)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'ci')
  assert.ok(scriptNames.length > 5)
  assert.deepEqual(
    scriptNames.filter((name) => scripts[name] === undefined),
    [],
  )
})

/** A file that the worked change makes: see first-change.slow.test.ts. */
const MADE = 'test/console/follow-up.test.ts'

test('every file that CONTRIBUTING and the page of the tests name exists', () => {
  const paths = named.filter((code) => /^(src|test|scripts|deploy)\/[^ ]+$/.test(code) && code !== MADE)
  assert.ok(paths.length >= 15)
  assert.deepEqual(
    paths.filter(
      (path) => !existsSync(join(ROOT, path)) && globSync(path.replace('…', '*'), { cwd: ROOT }).length === 0,
    ),
    [],
  )
})

test('every variable that the page of the tests names is read by the tests', () => {
  const variables = named
    .flatMap((code) => /^([A-Z]+(?:_[A-Z]+)*)(?:=.*)?$/.exec(code)?.[1] ?? [])
    .filter((name) => /^(MYSQLD|FAULT_|FUZZ_|HISTORY_)/.test(name))
  assert.ok(variables.length >= 8)
  const tests = globSync('test/**/*.ts', { cwd: ROOT }).map(readDocument).join('\n')
  assert.deepEqual(
    variables.filter((name) => !tests.includes(`process.env.${name}`)),
    [],
  )
})

test('the page of the source and the picture of CONTRIBUTING name each folder of src', () => {
  const [rows = []] = tables(readDocument('src/README.md'))
  const [picture = ''] = codeBlocks(contributing, 'mermaid')
  const inPicture = [...picture.matchAll(/\b(\w+)\["/g)].map(([, folder]) => `${folder}/`)
  const folders = globSync('src/*/', { cwd: ROOT }).map((path) => `${path.replace(/^src\/|\/$/g, '')}/`)
  assert.deepEqual(rows.map(([folder = '']) => codes(folder)[0]).sort(), folders.sort())
  assert.deepEqual(inPicture.sort(), folders)
})

test('every file that the page of the source names exists', () => {
  const paths = codes(readDocument('src/README.md')).filter((code) => /^[a-z-]+\/[^ ]+\.ts$/.test(code))
  assert.ok(paths.length > 8)
  assert.deepEqual(
    paths.filter((path) => !existsSync(join(ROOT, 'src', path))),
    [],
  )
})
