import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { ROOT, start } from '../service/process.ts'
import { sell, serveEnv, startLms } from '../service/serving.ts'
import { assignments, build, contextFiles, execForm, instructionsOf, stagesOf } from './dockerfile.ts'
import { makeReadOnly, openFolder } from './installing.ts'
import { freePort } from './ports.ts'
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

describe('the result of the steps of the Dockerfile', () => {
  const { folder, remove } = openFolder('lernito-image-')
  let root: string
  before(() => {
    root = build({ stages, folder })
  })
  after(() => {
    execFileSync('chmod', ['-R', 'u+w', folder])
    remove()
  })

  test('the image has the built code and production packages, and no source, test or tool', () => {
    assert.deepEqual(readdirSync(root).sort(), ['app', 'data'])
    assert.deepEqual(readdirSync(join(root, 'app')).sort(), ['bin', 'dist', 'node_modules', 'package.json'])
    const { dependencies, devDependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()), devDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(root, 'app/package.json'), 'utf8')))
    // mysql2 needs @types/node.
    const installed = (name: string): boolean => existsSync(join(root, 'app/node_modules', name))
    assert.deepEqual(
      Object.keys(dependencies).filter((name) => !installed(name)),
      [],
    )
    assert.deepEqual(
      Object.keys(devDependencies).filter((name) => name !== '@types/node' && installed(name)),
      [],
    )
    assert.ok(lstatSync(join(root, 'app/bin/lernito-openedx')).isSymbolicLink())
  })

  test('it starts as its user from a read-only folder, is healthy, enrolls, and stops on SIGTERM', async (t) => {
    makeReadOnly(join(root, 'app'))
    const inRoot = (text: string): string => text.replace(/(^|[:"])\/(app|data)\b/g, `$1${root}/$2`)
    const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` }
    const image = Object.fromEntries(
      Object.entries(assignments(only('ENV'), env)).map(([name, value]) => [name, inRoot(value)]),
    )
    const lms = await startLms(t)
    const port = await freePort()
    const { LERNITO_DATABASE_URL: _, ...settings } = serveEnv({ folder: 'unused', lmsUrl: lms.url })
    const given = { ...settings, ...image, LERNITO_PORT: String(port) }
    const [uid, gid] = only('USER').split(':')
    const asUser = process.getuid?.() === 0 ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'] : []
    const [program = '', ...args] = [...asUser, ...execForm(only('ENTRYPOINT')), ...execForm(only('CMD'))]
    const healthy = (): number | null => {
      const [node = '', ...how] = execForm(only('HEALTHCHECK').replace(/^.*?CMD /, ''))
      return spawnSync(node, how, { env: { ...image, LERNITO_PORT: String(port) } }).status
    }
    assert.equal(healthy(), 1)
    const running = start({ t, command: [program], args, env: given, cwd: join(root, 'app') })
    await running.logged(({ msg }) => msg === 'ready for webhooks')
    assert.equal(healthy(), 0)
    const answered = await sell({ url: `http://127.0.0.1:${port}`, email: 'alice@example.com' })
    assert.equal(answered?.status, 200)
    assert.ok(existsSync(join(root, 'data/lernito.db')))
    running.child.kill('SIGTERM')
    assert.equal((await running.ended).code, 0)
  })
})
