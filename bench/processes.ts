import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { APPLICATION, type World } from './world.ts'

const ROOT = join(import.meta.dirname, '..')
const START_MS = 15_000
const STOP_MS = 10_000

export const SECRET = 'lernito-bench-secret'

export interface Running {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** Starts the processes of one row. Each writes its output to its own file, in a folder that is removed at the end. */
export interface Stage {
  readonly folder: string
  /** Starts only the stand-in LMS. An option that is left out has its default. */
  standIn(options: {
    world: World
    throttle?: number | 'off'
    cost?: 'none' | 'measured'
    /** Whether the stand-in has enrollments/modify. */
    modify?: boolean
  }): Promise<Running>
  /**
   * Starts `lernito-openedx serve` on SQLite, with the default settings except those in `env`. `under`: a program and its
   * arguments, which runs it.
   */
  service(options: { lmsUrl: string; env?: Record<string, string>; under?: readonly string[] }): Promise<Running>
  end(): Promise<void>
}

export function createStage({ folder }: { folder: string }): Stage {
  mkdirSync(folder, { recursive: true })
  const running: Running[] = []

  const start = async (
    args: readonly string[],
    says: RegExp,
    { env = {}, under = [] }: { env?: Record<string, string>; under?: readonly string[] } = {},
  ): Promise<Running> => {
    const file = join(folder, `output-${running.length}.txt`)
    const output = openSync(file, 'w')
    const [program = process.execPath, ...further] = [...under, process.execPath, ...args]
    const child = spawn(program, further, {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    const one = { url: await addressIn({ file, child, says }), pid: child.pid ?? 0, stop: () => stop(child) }
    running.push(one)
    return one
  }

  return {
    folder,
    standIn: ({ world, throttle = 120, cost = 'measured', modify = true }) => {
      const file = join(folder, `world-${running.length}.json`)
      writeFileSync(file, JSON.stringify(world))
      const options = [
        '--lms-only',
        '--port',
        '0',
        '--world',
        file,
        '--throttle',
        String(throttle),
        '--cost',
        cost,
        '--modify',
        modify ? 'on' : 'off',
      ]
      return start([join(ROOT, 'src/cli/main.ts'), 'sandbox', ...options], /stand-in LMS is at (http\S+?)\/?\s/)
    },
    service: ({ lmsUrl, env = {}, under = [] }) =>
      start([join(ROOT, 'src/cli/main.ts'), 'serve'], /"url":"(https?:\/\/[^"/]+)"/, {
        under,
        env: {
          LERNITO_WEBHOOK_SECRET: SECRET,
          LERNITO_LMS_URL: lmsUrl,
          LERNITO_LMS_CLIENT_ID: APPLICATION.client_id,
          LERNITO_LMS_CLIENT_SECRET: APPLICATION.client_secret,
          LERNITO_DATABASE_URL: `sqlite:${join(folder, 'lernito.db')}`,
          LERNITO_PORT: '0',
          ...env,
        },
      }),
    end: async () => {
      for (const one of running.reverse()) await one.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function addressIn({ file, child, says }: { file: string; child: ChildProcess; says: RegExp }): Promise<string> {
  for (const end = Date.now() + START_MS; Date.now() < end && child.exitCode === null; await delay(20)) {
    const url = says.exec(readFileSync(file, 'utf8'))?.[1]
    if (url !== undefined) return url
  }
  child.kill('SIGKILL')
  throw new Error(`a process of the bench did not start: ${readFileSync(file, 'utf8')}`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const forced = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(forced)
}

/** Returns the resident memory (RSS) of a process in MiB; Linux only. */
export function memoryOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no VmRSS`)
  return Number(kib) / 1024
}
