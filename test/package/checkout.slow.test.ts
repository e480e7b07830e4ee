import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { codeBlocks, ROOT, readDocument, section } from '../docs/documents.ts'
import { run } from '../service/process.ts'
import { copyCheckout, openFolder, packagesOf } from './installing.ts'

const GUIDE = readDocument('docs/how-to/install.md')
/** The commands under a heading, without the indentation that they have in a list. */
const commands = (heading: string): string[] =>
  codeBlocks(section(GUIDE, heading).replaceAll(/^ {3}/gm, ''), 'sh').flatMap((block) => block.split('\n'))

describe('the guide’s way from a checkout', () => {
  const { folder, remove } = openFolder('lernito-checkout-')
  after(remove)
  const repository = join(folder, 'repository')
  const prefix = join(folder, 'opt')

  /** Runs lines of the guide in one shell, with this Node.js, this repository and a folder of the test. */
  const shell = (lines: readonly string[], cwd: string): void => {
    const script = lines.join('\n').replaceAll('REPOSITORY_URL', repository).replaceAll('/opt/lernito', prefix)
    const env = {
      ...process.env,
      PATH: [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter),
      npm_config_prefer_offline: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
    }
    const { status, stderr } = spawnSync('bash', ['-e', '-c', script], { cwd, env, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  }

  // As in the image of the Tutor plugin, the packages are installed in the folder of the unpacked package.
  test('it builds the package and installs it with the tested versions', async () => {
    mkdirSync(repository)
    copyCheckout(repository)
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.com', ...args], { cwd: repository })
    git('init', '--quiet')
    git('add', '--all')
    git('commit', '--quiet', '--message', 'all')
    shell(commands('## Get the source'), folder)
    const checkout = join(folder, 'lernito-openedx')
    // What an earlier build left there: npm takes it if the guide's command names it too, and fails since it is empty.
    writeFileSync(join(checkout, 'lernito-openedx-0.0.9.tgz'), '')
    shell(commands('### 1. Build and install the package'), checkout)
    const installed = join(prefix, 'node_modules/lernito-openedx')
    const present = packagesOf(join(installed, 'node_modules/.package-lock.json'))
    assert.deepEqual(present, packagesOf(join(ROOT, 'package-lock.json')))
    // The program of the unit, and `npx` in the checkout, which the guide sends the first sale with.
    const { stdout } = await run({ command: [join(prefix, 'node_modules/.bin/lernito-openedx')], args: ['--version'] })
    const npx = await run({ command: ['npx'], args: ['lernito-openedx', '--version'], cwd: checkout })
    assert.deepEqual([stdout, npx.stdout.trim()], [`${npx.stdout.trim()}\n`, stdout.trim()])
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })
})

test('the guide’s script that runs a command as the service’s user works', () => {
  const [script = ''] = codeBlocks(section(GUIDE, '### 2. Create the user, the settings and the unit'), 'sh').filter(
    (block) => block.startsWith('cat >'),
  )
  const [, program = ''] = /<<'END'\n(.*)\nEND\n/s.exec(script) ?? []
  const bash = `systemd-run() { printf '%s\\n' "$@"; }\n${program.replace('exec ', '')}`
  const { stdout } = spawnSync('bash', ['-c', bash, 'lernito-openedx', 'deliveries', 'list', 'a b'], {
    encoding: 'utf8',
  })
  const unit = readDocument('deploy/systemd/lernito-openedx.service')
  const [, start = ''] = /^ExecStart=(\S+) serve$/m.exec(unit) ?? []
  assert.deepEqual(stdout.trimEnd().split('\n').slice(-4), [start, 'deliveries', 'list', 'a b'])
  for (const name of ['User', 'EnvironmentFile', 'StateDirectory', 'StateDirectoryMode', 'UMask']) {
    const [, value = ''] = new RegExp(`^${name}=(.*)$`, 'm').exec(unit) ?? []
    assert.ok(stdout.includes(`\n${name}=${value}\n`), name)
  }
})

test('the guide builds the image as CI does', () => {
  const workflow = readFileSync(join(ROOT, '.github/workflows/test.yml'), 'utf8')
  const build = 'build -f deploy/docker/Dockerfile'
  assert.ok(commands('## Docker').includes(`docker ${build} -t lernito-openedx .`))
  assert.ok(workflow.includes(`docker buildx ${build} --platform linux/amd64,linux/arm64 .`))
})
