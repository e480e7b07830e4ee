import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../service/process.ts'
import { assignments, contextFiles, execForm, instructionsOf, stagesOf } from './dockerfile.ts'
import { check, skipWithoutTools } from './tools.ts'

const instructions = instructionsOf(readFileSync(join(ROOT, 'deploy/docker/Dockerfile'), 'utf8'))
const stages = stagesOf(instructions)
const final = stages.at(-1)
assert.ok(final)
const only = (word: string): string => {
  const found = final.instructions.filter((instruction) => instruction.word === word)
  assert.equal(found.length, 1, `${word} stands ${found.length} times in the last stage`)
  return found[0]?.text ?? ''
}

test('hadolint finds nothing in the Dockerfile', { skip: skipWithoutTools }, async () => {
  await check({ name: 'hadolint', args: ['--failure-threshold=style', 'deploy/docker/Dockerfile'] })
})

test('every stage uses the same base image, whose digest can be set', () => {
  const [argument] = instructions
  assert.equal(`${argument?.word} ${argument?.text}`, 'ARG NODE_IMAGE=node:24-slim')
  for (const { base } of stages) assert.match(base, /^\$\{NODE_IMAGE\}$/)
})

test('the last stage runs no command, so it builds on any platform', () => {
  assert.deepEqual(
    final.instructions.filter(({ word }) => word === 'RUN'),
    [],
  )
})

test('the image has a user by number, exec forms, a volume for the database and the usual labels', () => {
  assert.match(only('USER'), /^[1-9]\d*:[1-9]\d*$/)
  assert.deepEqual([execForm(only('ENTRYPOINT')), execForm(only('CMD'))], [['lernito-openedx'], ['serve']])
  assert.equal(only('VOLUME'), '/data')
  const labels = Object.keys(assignments(only('LABEL'))).map((name) => name.replace('org.opencontainers.image.', ''))
  assert.deepEqual(labels, ['title', 'description', 'licenses', 'version'])
})

test('SQLite has a folder for its temporary files on a read-only root file system: that of the database', () => {
  assert.equal(assignments(only('ENV')).SQLITE_TMPDIR, only('VOLUME'))
})

test('the build context has only the files of the image', () => {
  const files = contextFiles()
  const roots = new Set(files.map((file) => file.split('/')[0] ?? ''))
  const wanted = [
    '.npmrc',
    'bin',
    'docs',
    'package-lock.json',
    'package.json',
    'sandbox',
    'scripts',
    'src',
    'tsconfig.build.json',
  ]
  assert.deepEqual([...roots].sort(), [...wanted, 'tsconfig.json'].sort())
  assert.deepEqual(
    files.filter((file) => /^(docs|scripts)\//.test(file)),
    ['docs/reference/openapi.json', 'scripts/build.ts'],
  )
})
