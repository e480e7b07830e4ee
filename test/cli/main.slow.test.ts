import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { subcommandsOf } from '../../scripts/command-docs.ts'
import { SETTINGS } from '../../src/service/settings/settings.ts'
import { ROOT, run, start } from '../service/process.ts'
import { runShared } from './commands.ts'

const COMMANDS = ['serve', 'sandbox', 'send', 'doctor', 'deliveries', 'events', 'reconcile', 'forget', 'migrate']

describe('the command line', { concurrency: 2 }, () => {
  test('without a command, it prints the usage to standard error and exits with 2', async () => {
    const { code, stdout, stderr } = await run({ args: [] })
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    for (const name of COMMANDS) assert.match(stderr, new RegExp(`^  ${name} `, 'm'))
  })

  test('an unknown command gets a message that names it, a hint, and exit code 2', async () => {
    const { code, stdout, stderr } = await run({ args: ['srve'] })
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    assert.match(stderr, /^.*"srve".*lernito-openedx --help\n$/)
  })

  test('an unknown option gets a message that names it and the command’s help, and exit code 2', async () => {
    const { code, stdout, stderr } = await run({ args: ['serve', '--prot', '1'] })
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    assert.match(stderr, /--prot/)
    assert.match(stderr, /lernito-openedx serve --help\n$/)
  })

  test('--help, -h and help list the commands, or print the help of one, with exit code 0', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, stdout, stderr } = await run({ args })
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
      for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
    }
    for (const args of [
      ['help', 'deliveries', 'show'],
      ['deliveries', 'show', '-h'],
    ]) {
      assert.match((await run({ args })).stdout, /^Usage: lernito-openedx deliveries show /m)
    }
  })

  test('--version, -v and version print the version of package.json', async () => {
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))
    for (const arg of ['--version', '-v', 'version']) {
      assert.deepEqual(await run({ args: [arg] }), { code: 0, signal: null, stdout: `${version}\n`, stderr: '' })
    }
  })

  test('help for an unknown subcommand names it, with exit code 2', async () => {
    const { code, stdout, stderr } = await run({ args: ['help', 'events', 'resned'] })
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    assert.match(stderr, /^events has no subcommand "resned"\. See: .* events --help\n$/)
  })

  test('with --json, an error is a line of JSON on standard error, with its code', async () => {
    const { code, stdout, stderr } = await run({ args: ['deliveries', 'list', '--json', '--limit', '0'] })
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    const message = '--limit 0 is not a whole number from 1 to 999999999.'
    assert.deepEqual(JSON.parse(stderr), { error: { code: 'usage.invalid', message } })
  })

  test('when nobody reads its output any more, a command ends without a word', async (t) => {
    const running = start({ t, args: ['help'] })
    running.child.stdout?.destroy()
    const { code, stderr } = await running.ended
    assert.deepEqual({ code, stderr }, { code: 141, stderr: '' })
  })

  test('when its output is a file on a full disk, a command ends with one line that says so, and exit code 1', async () => {
    const command = ['sh', '-c', 'exec "$0" "$@" >/dev/full', process.execPath, join(ROOT, 'src/cli/main.ts')] as const
    const { code, stderr } = await run({ command, args: ['help'] })
    assert.equal(code, 1)
    assert.match(stderr, /^The output can't be written \(ENOSPC: .*\), so the command ends\.\n$/)
  })

  test('each command and subcommand has a help of its own in 80 columns, with its usage and an example', async () => {
    for (const name of COMMANDS) {
      const help = await helpOf([name])
      const subcommands = subcommandsOf(help)
      assert.equal(subcommands.length > 0, name === 'deliveries' || name === 'events', name)
      for (const subcommand of subcommands) assert.notEqual(await helpOf([name, subcommand]), help)
      if (subcommands.length === 0) continue
      const { stderr } = await runShared({ args: [name], env: {} })
      assert.ok(stderr.startsWith(`${name} needs a subcommand: ${subcommands.join(', ')}.`), stderr)
    }
  })

  test('serve --help shows every setting with its default', async () => {
    const { stdout } = await run({ args: ['serve', '--help'] })
    for (const { name, meaning, fallback } of SETTINGS) {
      const about = stdout.split(`  ${name} (`)[1]?.split('\n  LERNITO_')[0]
      assert.ok(about?.replaceAll(/\s+/g, ' ').includes(meaning), name)
      if (fallback !== undefined) assert.ok(about?.startsWith(`default ${fallback})`), name)
    }
  })

  test('bin/lernito-openedx.js runs the command line', async () => {
    const command = [process.execPath, join(ROOT, 'bin/lernito-openedx.js')] as const
    const { code, stdout } = await run({ command, args: ['--help'] })
    assert.equal(code, 0)
    assert.match(stdout, /^Usage: lernito-openedx COMMAND/m)
  })

  const old = oldNode()
  if (old !== null) {
    test('under a Node.js that is too old, bin/lernito-openedx.js says in one line what to do, and exits with 1', async () => {
      const { code, stdout, stderr } = await run({
        command: [old, join(ROOT, 'bin/lernito-openedx.js')],
        args: ['serve'],
      })
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
      assert.match(stderr, /^lernito-openedx needs Node\.js 24 .*\n$/)
    })
  }
})

/** The help that a command prints, once it is found to be complete. */
async function helpOf(command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runShared({ args: [...command, '--help'], env: {} })
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  const name = command.join(' ')
  assert.match(stdout, new RegExp(`^Usage: lernito-openedx ${name}`, 'm'))
  assert.match(stdout, new RegExp(`^Example.*\\n(.*\\n)*?.*lernito-openedx ${name}`, 'm'))
  // A word can't be broken: some settings name long addresses.
  const wide = stdout.split('\n').filter((line) => line.length > 80 && line.trim().includes(' '))
  assert.deepEqual(wide, [], name)
  return stdout
}

/** A Node.js before 24 on this machine's PATH, outside this checkout; null where there is none. */
function oldNode(): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, 'node')
    if (folder.startsWith(ROOT)) continue
    try {
      const major = Number(execFileSync(file, ['-p', 'process.versions.node'], { encoding: 'utf8' }).split('.')[0])
      if (major < 24) return file
    } catch {} // no Node.js there
  }
  return null
}
