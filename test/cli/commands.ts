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

let host: ChildProcess | null = null
let previous: Promise<unknown> = Promise.resolve()
after(() => host?.kill('SIGKILL'))

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

async function send(order: { args: readonly string[]; env: Record<string, string> }): Promise<Ended> {
  host ??= fork(HOST, {
    cwd: tmpdir(),
    execArgv: ['--preserve-symlinks'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const gone = once(host, 'exit').then(() => Promise.reject(new Error(`the command ended its process: ${order.args}`)))
  const answer = once(host, 'message')
  host.send({ ...order, main: join(ROOT, 'src/cli/main.ts') })
  const [message] = await Promise.race([answer, gone])
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
