import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { ROOT } from '../service/process.ts'
import { check, skipWithoutTools } from './tools.ts'

const FILES = globSync('.github/workflows/*.yml', { cwd: ROOT }).sort()
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const step = z.object({ uses: z.string().optional(), run: z.string().optional(), with: z.looseObject({}).optional() })
const permissions = z.record(z.string(), z.enum(['read', 'write']))
const workflow = z.object({
  permissions,
  jobs: z.record(
    z.string(),
    z.object({ 'timeout-minutes': z.number(), permissions: permissions.optional(), steps: z.array(step) }),
  ),
})

const jobs = FILES.flatMap((file) => {
  const { permissions: all, jobs } = workflow.parse(parse(textOf(file)))
  return Object.entries(jobs).map(([name, job]) => ({ name: `${file}: ${name}`, all, ...job }))
})
const steps = jobs.flatMap(({ name, steps }) => steps.map((one) => ({ job: name, ...one })))
const runs = steps.flatMap(({ run }) => (run === undefined ? [] : [run]))

test('there are workflows for tests and for releases', () => {
  assert.deepEqual(FILES, ['.github/workflows/release.yml', '.github/workflows/test.yml'])
})

test('the workflows and the Dependabot file match their schemas', { skip: skipWithoutTools }, async () => {
  await check({ name: 'check-jsonschema', args: ['--builtin-schema', 'vendor.github-workflows', ...FILES] })
  const args = ['--builtin-schema', 'vendor.dependabot', '.github/dependabot.yml']
  await check({ name: 'check-jsonschema', args })
})

test('zizmor finds no vulnerability', { skip: skipWithoutTools }, async () => {
  await check({ name: 'zizmor', args: ['--offline', '--no-progress', '.github'] })
})

test('every action is pinned to a commit, with its version in a comment', () => {
  const used = FILES.flatMap((file) => [...textOf(file).matchAll(/uses: (.*)/g)].map(([, action = '']) => action))
  assert.ok(used.length > 5)
  for (const action of used) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
})

test('each action has only one pin', () => {
  const pins = new Map<string, Set<string>>()
  for (const { uses = '' } of steps) {
    const [name = '', pin = ''] = uses.split('@')
    if (uses !== '') pins.set(name, (pins.get(name) ?? new Set()).add(pin))
  }
  for (const [name, set] of pins) assert.equal(set.size, 1, name)
})

test('every job has read permission only, except for what it publishes', () => {
  for (const { all } of jobs) assert.deepEqual(all, { contents: 'read' })
  const more = jobs.flatMap(({ name, permissions: own = {} }) =>
    Object.entries(own).flatMap(([what, level]) => (level === 'write' ? [`${name} ${what}`] : [])),
  )
  const release = '.github/workflows/release.yml'
  assert.deepEqual(
    more,
    ['npm id-token', 'image id-token', 'python id-token', 'site pages', 'site id-token', 'release contents'].map(
      (one) => `${release}: ${one}`,
    ),
  )
})

test('no job keeps the token of its checkout', () => {
  const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))
  assert.equal(checkouts.length, jobs.length)
  for (const { with: options } of checkouts) assert.equal(options?.['persist-credentials'], false)
})

test('untrusted values reach a shell only through the environment', () => {
  for (const run of runs) assert.doesNotMatch(run, /\$\{\{/)
})

test('the npm scripts and files that the steps run exist', () => {
  const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(textOf('package.json')))
  const all = runs.join('\n')
  const called = [...all.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name)
  assert.deepEqual(
    called.filter((name) => scripts[name] === undefined),
    [],
  )
  assert.ok(called.length > 0)
  const files = [...all.matchAll(/(?:^|\s)((?:\.ci|\.github|deploy\/docker)\/[\w./-]+)/g)].map(([, file = '']) => file)
  assert.ok(files.length > 3)
  assert.deepEqual(
    files.filter((file) => !existsSync(join(ROOT, file))),
    [],
  )
})

test('each step is valid shell', () => {
  for (const run of runs) {
    const { status, stderr } = spawnSync('bash', ['-n', '-c', run], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  }
})
