import { SandboxError } from '../../sandbox/lms/error.ts'
import { AppError, messageOf } from '../service/lib/errors.ts'
import { VERSION } from '../service/lib/version.ts'
import { commandGroup, helpText } from './command.ts'
import { plainJson } from './plain.ts'

const program = commandGroup({
  name: '',
  subcommands: {
    serve: async () => (await import('./serve.ts')).serve,
    sandbox: async () => (await import('./sandbox.ts')).sandbox,
    send: async () => (await import('./send.ts')).send,
    doctor: async () => (await import('./doctor.ts')).doctor,
    deliveries: async () => (await import('./deliveries.ts')).deliveries,
    events: async () => (await import('./events.ts')).events,
    reconcile: async () => (await import('./reconcile.ts')).reconcile,
    forget: async () => (await import('./forget.ts')).forget,
    migrate: async () => (await import('./migrate.ts')).migrate,
  },
})

/** Runs one command and returns the exit code: 0, 1 for an error, 2 for wrong usage. */
async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  if (first === undefined) {
    process.stderr.write(helpText(''))
    return 2
  }
  if (first === '--version' || first === '-v' || first === 'version') {
    process.stdout.write(`${VERSION}\n`)
    return 0
  }
  return program(first === 'help' ? [...rest, '--help'] : args)
}

/**
 * Prints an error to standard error, as a line of JSON for a program that asked for JSON. Returns the exit code: 2 for
 * wrong usage, else 1. An error that no code of this program expects has its stack.
 */
function report(error: unknown, { json }: { json: boolean }): number {
  const known = error instanceof AppError || error instanceof SandboxError
  if (json) {
    const answer = { error: { code: known ? error.code : 'unexpected', message: messageOf(error) } }
    process.stderr.write(`${plainJson(answer)}\n`)
  } else {
    const text = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`${text}\n`)
  }
  if (known && process.env.DEBUG && error.cause !== undefined) process.stderr.write(`${String(error.cause)}\n`)
  return known && error.code === 'usage.invalid' ? 2 : 1
}

/** 128 and SIGPIPE, as of a program that this signal ends. Node.js ignores the signal. */
const NO_READER = 141

/**
 * Ends the program once its output can't be written any more: without a word if nobody reads it, as in `deliveries list
 * --all | head`, and with the cause if its disk is full. A command that waits for signals gets SIGTERM, so that it stops as
 * usual.
 */
function endWithoutOutput(): void {
  let isOver = false
  const onError = ({ code, message }: NodeJS.ErrnoException): void => {
    if (isOver) return
    isOver = true
    const isUnread = code === 'EPIPE'
    if (!isUnread) process.stderr.write(`The output can't be written (${message}), so the command ends.\n`)
    if (!process.emit('SIGTERM')) process.exit(isUnread ? NO_READER : 1)
  }
  process.stdout.on('error', onError)
  process.stderr.on('error', onError)
}

endWithoutOutput()
// A command may wait for a timer that doesn't keep the process alive, such as the call budget's. Without this interval the
// process would exit there, as if the command were done.
const keepAlive = setInterval(() => {}, 60_000)
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.exitCode = report(error, { json: process.argv.includes('--json') })
} finally {
  clearInterval(keepAlive)
}
