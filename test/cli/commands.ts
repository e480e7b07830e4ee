import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { z } from 'zod'
import { watchLog } from '../log-watch.ts'
import { type Ended, ROOT } from '../service/process.ts'

const HOST = join(import.meta.dirname, 'command-host.ts')
const endedSchema = z.object({ code: z.number(), signal: z.null(), stdout: z.string(), stderr: z.string() })

let host: { readonly process: ChildProcess; readonly gone: Promise<never> } | null = null
let previous: Promise<unknown> = Promise.resolve()
after(() => host?.process.kill('SIGKILL'))

/**
 * Runs a command as `run` does, but one at a time in a process that the commands of a test file share: a start of its own
 * costs more than all that most commands do. For what a signal, a terminal, a zone or the end of a process matters to,
 * there is `run`.
 */
export function runShared({ args, env }: { args: readonly string[]; env: Record<string, string> }): Promise<Ended> {
  const ended = previous.then(() => send({ args, env }))
  previous = ended.catch(() => {})
  return ended
}

function startHost() {
  const started = fork(HOST, {
    cwd: tmpdir(),
    execArgv: ['--preserve-symlinks'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const gone = once(started, 'exit').then(() => Promise.reject(new Error('a command ended the process of all')))
  gone.catch(() => {}) // the end of the tests ends it
  return { process: started, gone }
}

async function send(order: { args: readonly string[]; env: Record<string, string> }): Promise<Ended> {
  host ??= startHost()
  const answer = once(host.process, 'message')
  host.process.send({ ...order, main: join(ROOT, 'src/cli/main.ts') })
  const [message] = await Promise.race([answer, host.gone])
  const ended = endedSchema.parse(message)
  // The output of `deliveries` is not a log: the operator asked for it.
  if (order.args[0] !== 'deliveries') {
    watchLog({
      lines: () => [...ended.stdout.split('\n').filter((line) => line.startsWith('{')), ...ended.stderr.split('\n')],
      env: order.env,
    })
  }
  return ended
}
