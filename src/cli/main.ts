import { SandboxError } from '../../sandbox/lms/error.ts'
import { AppError } from '../service/lib/errors.ts'
import { VERSION } from '../service/lib/version.ts'
import { type Command, usageError } from './command.ts'
import { deliveries } from './deliveries.ts'
import { doctor } from './doctor.ts'
import { events } from './events.ts'
import { forget } from './forget.ts'
import { migrate } from './migrate.ts'
import { reconcile } from './reconcile.ts'
import { sandbox } from './sandbox.ts'
import { send } from './send.ts'
import { serve } from './serve.ts'

const COMMANDS: readonly Command[] = [serve, sandbox, send, doctor, deliveries, events, reconcile, forget, migrate]

const USAGE = `lernito-openedx: enrolls the buyers of a Lernito course shop in Open edX

Usage: lernito-openedx COMMAND [OPTIONS]

Commands:
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`).join('\n')}

For the options of a command: lernito-openedx COMMAND --help
To try it without an LMS: lernito-openedx sandbox
`

/** Runs one command and returns the exit code: 0, 1 for an error, 2 for wrong usage. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined) {
    process.stderr.write(USAGE)
    return 2
  }
  if (name === '--help' || name === 'help') {
    process.stdout.write(USAGE)
    return 0
  }
  if (name === '--version') {
    process.stdout.write(`${VERSION}\n`)
    return 0
  }
  const command = COMMANDS.find((one) => one.name === name)
  if (command === undefined) throw usageError(`There is no command "${name}". See: lernito-openedx --help`)
  if (rest.includes('--help')) {
    const subcommand = command.subcommands?.find((one) => one.name === rest[0])
    process.stdout.write((subcommand ?? command).help)
    return 0
  }
  return command.run(rest)
}

// A command may wait for a timer that doesn't keep the process alive, such as the call budget's. Without this interval the
// process would exit there, as if the command were done.
const keepAlive = setInterval(() => {}, 60_000)
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const known = error instanceof AppError || error instanceof SandboxError
  const text = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`${text}\n`)
  if (known && process.env.DEBUG && error.cause !== undefined) process.stderr.write(`${String(error.cause)}\n`)
  process.exitCode = known && error.code === 'usage.invalid' ? 2 : 1
} finally {
  clearInterval(keepAlive)
}
