import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { readDocument } from '../docs/documents.ts'
import { ROOT, start, temporaryFolder } from '../service/process.ts'
import { sell, serveEnv, startLms } from '../service/serving.ts'
import { has } from './tools.ts'

const UNIT = join(ROOT, 'deploy/systemd/lernito-openedx.service')
const unit = readFileSync(UNIT, 'utf8')
const valuesOf = (name: string): string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)
const skip = has('systemd-analyze') ? false : 'no systemd-analyze on this machine'

const analyze = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' })

test('systemd finds no error in the unit', { skip }, (t) => {
  // It looks for the program, which is not installed here.
  const file = join(temporaryFolder(t), 'lernito-openedx.service')
  writeFileSync(file, unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
  const { status, stdout, stderr } = analyze('verify', file)
  assert.deepEqual([status, stdout, stderr], [0, '', ''])
  writeFileSync(file, unit.replace('ProtectHome=yes', 'ProtectHome=perhaps'))
  assert.match(analyze('verify', file).stderr, /protect home value/)
})

test('systemd rates the exposure of the unit at 2.0 of 10 or less', { skip }, () => {
  const { status, stdout } = analyze('security', '--offline=true', '--threshold=20', UNIT)
  assert.equal(status, 0, stdout)
})

test('the unit allows Node.js to compile at run time', () => {
  assert.deepEqual(valuesOf('MemoryDenyWriteExecute'), [])
})

test('the service starts with the unit’s settings, and stops on SIGTERM with exit code 0', async (t) => {
  const folder = temporaryFolder(t)
  const lms = await startLms(t)
  const inFolder = (text: string): string => text.replaceAll('/var/lib/lernito', folder)
  const own = valuesOf('Environment').flatMap((line) => line.split(' ').map((pair) => pair.split(/=(.*)/s).slice(0, 2)))
  const { LERNITO_DATABASE_URL: _, ...settings } = serveEnv({ folder, lmsUrl: lms.url })
  const env = { ...settings, ...Object.fromEntries(own.map(([name, value = '']) => [name, inFolder(value)])) }
  assert.equal(env.LERNITO_DATABASE_URL, `sqlite:${join(folder, 'lernito.db')}`)
  const [, ...args] = valuesOf('ExecStart')[0]?.split(' ') ?? []
  const running = start({ t, args, env, cwd: inFolder(valuesOf('WorkingDirectory')[0] ?? '') })
  const { url } = await running.logged(({ msg }) => msg === 'ready for webhooks')
  assert.equal((await sell({ url: String(url), email: 'alice@example.com' }))?.status, 200)
  running.child.kill('SIGTERM')
  assert.equal((await running.ended).code, 0)
})

test('the guide creates the user, the folders and the file that the unit names', () => {
  const guide = readDocument('docs/how-to/install.md')
  const [program = ''] = valuesOf('ExecStart')[0]?.split(' ') ?? []
  const prefix = dirname(dirname(dirname(program)))
  for (const command of [
    `useradd --system --home-dir ${valuesOf('WorkingDirectory')[0]} --shell /usr/sbin/nologin ${valuesOf('User')[0]}`,
    `npm install --prefix ${prefix} ./lernito-openedx-*.tgz`,
    valuesOf('EnvironmentFile')[0] ?? '',
  ]) {
    assert.ok(guide.includes(command), command)
  }
})
