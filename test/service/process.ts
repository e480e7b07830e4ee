import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Readable } from 'node:stream'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { watchLog } from '../log-watch.ts'

export const ROOT = join(import.meta.dirname, '../..')
const MAIN = join(ROOT, 'src/cli/main.ts')
const BIN = join(ROOT, 'node_modules/.bin')
const WAIT_MS = 60_000

type Env = Record<string, string>

/** None of this process's settings. The compile cache halves the time of a start. */
const BASE_ENV: Env = {
  PATH: [BIN, process.env.PATH ?? ''].join(delimiter),
  HOME: process.env.HOME ?? tmpdir(),
  NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/test-compile'),
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const logLine = z.looseObject({ level: z.string(), time: z.string(), msg: z.string() })
type LogLine = z.infer<typeof logLine>

interface Cleanup {
  readonly after: (done: () => void) => void
}

interface Start {
  readonly args: readonly string[]
  readonly env?: Env
  readonly cwd?: string
  /** Text for standard input, which is empty without it. */
  readonly input?: string | Uint8Array | Readable
  /** The program that gets the arguments; by default this Node.js with the command line's main file. */
  readonly command?: readonly [string, ...string[]]
}
const THIS = [process.execPath, MAIN] as const
/** Node.js then looks for no link in the path of each module, a seventh of what a start costs. There are none. */
const NODE_FLAGS: readonly string[] = ['--preserve-symlinks']

export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  /** The lines of standard output that are JSON. */
  readonly log: () => LogLine[]
  readonly ended: Promise<Ended>
  /** The first matching log line. Fails after 60 s, or when the process ends without one. */
  readonly logged: (fits: (line: LogLine) => boolean) => Promise<LogLine>
}

/** What a test gets to clean up after itself, for all tests of a file: what was started last ends first. */
export function cleanupOfFile(): Cleanup {
  const cleanups: (() => void)[] = []
  after(() => {
    for (const cleanup of cleanups.reverse()) cleanup()
  })
  return { after: (done) => cleanups.push(done) }
}

/** A folder that is deleted at the end of the test. */
export function temporaryFolder(t: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'lernito-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts the command line as a process in a folder without a .env. The end of the test kills it. */
export function start({
  t,
  args,
  env = {},
  cwd = tmpdir(),
  input = '',
  command = THIS,
}: Start & { t: Cleanup }): Running {
  const [program, ...first] = command
  const flags = program === process.execPath ? NODE_FLAGS : []
  const child = spawn(program, [...flags, ...first, ...args], { cwd, env: { ...BASE_ENV, ...env } })
  t.after(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  child.stdin.on('error', () => {}) // a process may end without having read it
  if (input instanceof Readable) input.pipe(child.stdin)
  else child.stdin.end(input)
  let isOver = false
  const ended = once(child, 'close').then((): Ended => {
    isOver = true
    return { ...output, code: child.exitCode, signal: child.signalCode }
  })
  const lines = (): string[] =>
    output.stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
  const log = (): LogLine[] => lines().map((line) => logLine.parse(JSON.parse(line)))
  // The output of these is not a log: the operator asked for it.
  if (args[0] !== 'deliveries' && args[0] !== 'reconcile')
    watchLog({ lines: () => [...lines(), ...output.stderr.split('\n')], env })
  return {
    child,
    stdout: () => output.stdout,
    log,
    ended,
    logged: (fits) =>
      until('a log line', () => {
        const line = log().find(fits)
        if (line === undefined && isOver) throw new Error(`no such log line: ${output.stdout}${output.stderr}`)
        return line
      }),
  }
}

/** Runs the command line until it exits. */
export async function run(what: Start): Promise<Ended> {
  const cleanups: (() => void)[] = []
  const { child, ended } = start({ ...what, t: { after: (done) => cleanups.push(done) } })
  const late = setTimeout(() => child.kill('SIGKILL'), WAIT_MS)
  const result = await ended
  clearTimeout(late)
  return result
}

/** The first value that `look` returns, called every 10 ms. Throws after 60 s, or `withinMs`. */
export async function until<Value>(
  what: string,
  look: () => Value | undefined | Promise<Value | undefined>,
  withinMs = WAIT_MS,
): Promise<Value> {
  for (const end = Date.now() + withinMs; Date.now() < end; await delay(10)) {
    const value = await look()
    if (value !== undefined) return value
  }
  throw new Error(`${what} did not come within ${withinMs / 1000} s`)
}
