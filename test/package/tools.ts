import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../service/process.ts'

const runFile = promisify(execFile)
const MOST_OUTPUT = 64 * 2 ** 20
const BIN = join(ROOT, '.venv/package/bin')

/** Where the tools of requirements.txt are not installed their tests are left out, except in CI. */
export const skipWithoutTools =
  existsSync(BIN) || process.env.CI ? false : 'npm run tools installs what this needs (Python 3.11 or newer)'

/** The path of a tool of requirements.txt. */
export const tool = (name: string): string => join(BIN, name)

export interface ProgramOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Without the settings of the service, which a terminal has after the tutorial, and which win over those of a test. */
const INHERITED = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LERNITO_')))

/** Runs a program and returns its standard output. What it says on both streams is the error's message if it fails. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd = process.cwd(), env = {} }: ProgramOptions,
): Promise<string> {
  try {
    return (await runFile(program, args, { cwd, env: { ...INHERITED, ...env }, maxBuffer: MOST_OUTPUT })).stdout
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const said = ['stdout', 'stderr'].map((stream) => String(Reflect.get(error, stream) ?? '')).join('')
    throw new Error(`${program} ${args.join(' ')}\n${said || error.message}`, { cause: error })
  }
}

/** Runs a tool of requirements.txt in this repository. */
export const check = ({ name, args, ...options }: ProgramOptions & { name: string; args: readonly string[] }) =>
  runProgram(tool(name), args, { cwd: ROOT, ...options })

/** Whether a program is on this machine's PATH; `versionOption` is how it is asked for its version. */
export function has(program: string, versionOption = '--version'): boolean {
  try {
    execFileSync(program, [versionOption], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
