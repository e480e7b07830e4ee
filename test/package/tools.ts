import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../service/process.ts'

const runFile = promisify(execFile)
const BIN = join(ROOT, '.venv/package/bin')

/** Where the tools of requirements.txt are not installed their tests are left out, except in CI. */
export const skipWithoutTools =
  existsSync(BIN) || process.env.CI ? false : 'npm run tools installs what this needs (Python 3.11 or newer)'

/** The path of a tool of requirements.txt. */
export const tool = (name: string): string => join(BIN, name)

/** Runs a tool; what it says on both streams is the error's message if it ends with another code than 0. */
export async function check({
  name,
  args,
  cwd = ROOT,
  env = {},
}: {
  name: string
  args: readonly string[]
  cwd?: string
  env?: Record<string, string>
}): Promise<string> {
  try {
    const { stdout } = await runFile(tool(name), args, { cwd, env: { ...process.env, ...env } })
    return stdout
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const said = ['stdout', 'stderr'].map((stream) => String(Reflect.get(error, stream) ?? '')).join('')
    throw new Error(`${name} ${args.join(' ')}\n${said || error.message}`, { cause: error })
  }
}

/** Whether a program is on this machine's PATH; `versionOption` is how it is asked for its version. */
export function has(program: string, versionOption = '--version'): boolean {
  try {
    execFileSync(program, [versionOption], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
