import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { has } from '../package/tools.ts'
import { ROOT } from '../service/process.ts'

type Command = readonly [string, ...string[]]

export interface Language {
  readonly name: string
  /** What has to be installed, or null. */
  readonly missing: string | false
  /** The command of the sender, without its arguments. `built`: the folder of buildGo. */
  readonly sender: (built: string) => Command
  /** The command of the receiver, which listens on this port. */
  readonly receiver: (built: string, port: number) => Command
}

const file = (path: string): string => join(ROOT, 'examples', path)

/** In CI nothing is left out, so there a missing program fails the test. */
const missing = (program: string, versionOption?: string): string | false =>
  has(program, versionOption) || process.env.CI ? false : `no ${program} on this machine`

export const LANGUAGES: readonly Language[] = [
  {
    name: 'python',
    missing: missing('python3'),
    sender: () => ['python3', file('python/sender.py')],
    receiver: () => ['python3', file('python/receiver.py')],
  },
  {
    name: 'php',
    missing: missing('php'),
    sender: () => ['php', file('php/sender.php')],
    // As without a php.ini: PHP then answers 200 after an error, unless the program has set another status.
    receiver: (_, port) => ['php', '-d', 'display_errors=1', '-S', `127.0.0.1:${port}`, file('php/receiver.php')],
  },
  {
    name: 'node',
    missing: false,
    sender: () => [process.execPath, file('node/sender.mjs')],
    receiver: () => [process.execPath, file('node/receiver.mjs')],
  },
  {
    name: 'go',
    missing: missing('go', 'version'),
    sender: (built) => [join(built, 'sender')],
    receiver: (built) => [join(built, 'receiver')],
  },
]

/** Builds the Go programs into the folder, with the installed Go alone. Nothing happens without Go. */
export async function buildGo(folder: string): Promise<void> {
  if (missing('go', 'version') !== false) return
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOPROXY: 'off', CGO_ENABLED: '0' }
  await promisify(execFile)('go', ['build', '-o', `${folder}/`, './...'], { cwd: file('go'), env })
}
