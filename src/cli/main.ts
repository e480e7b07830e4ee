import { SandboxError } from '../../sandbox/lms/error.ts'
import { AppError } from '../service/lib/errors.ts'
import { VERSION } from '../service/lib/version.ts'
import { type Command, findNamed, type Listed, listText } from './command.ts'
import { plainJson } from './plain.ts'

/** All commands. Each is loaded when it runs, because the others would only delay it. */
const COMMANDS: readonly (Listed & { readonly load: () => Promise<Command> })[] = [
  { name: 'serve', summary: 'run the service', load: async () => (await import('./serve.ts')).serve },
  {
    name: 'sandbox',
    summary: 'try it: run a stand-in LMS and the service on this machine',
    load: async () => (await import('./sandbox.ts')).sandbox,
  },
  {
    name: 'send',
    summary: 'sign a payload, post it, and print the answer',
    load: async () => (await import('./send.ts')).send,
  },
  {
    name: 'doctor',
    summary: 'check the installation, and say how to fix it',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'deliveries',
    summary: 'list, show, replay and withdraw what the shop sent',
    load: async () => (await import('./deliveries.ts')).deliveries,
  },
  {
    name: 'events',
    summary: 'list and resend the events for the shop; receive them in development',
    load: async () => (await import('./events.ts')).events,
  },
  {
    name: 'reconcile',
    summary: 'check in the LMS that reported enrollments still stand',
    load: async () => (await import('./reconcile.ts')).reconcile,
  },
  {
    name: 'forget',
    summary: 'erase a person from the inbox',
    load: async () => (await import('./forget.ts')).forget,
  },
  {
    name: 'migrate',
    summary: 'bring the database up to date without running the service',
    load: async () => (await import('./migrate.ts')).migrate,
  },
]

const USAGE = `lernito-openedx: enrolls the buyers of a Lernito course shop in Open edX

Usage: lernito-openedx COMMAND [OPTIONS]

Commands:
${listText(COMMANDS)}
For the options of a command: lernito-openedx COMMAND --help
To try it without an LMS: lernito-openedx sandbox
`

const isHelp = (arg: string): boolean => arg === '--help' || arg === '-h'

/** Runs one command and returns the exit code: 0, 1 for an error, 2 for wrong usage. */
async function main([first, ...rest]: readonly string[]): Promise<number> {
  if (first === undefined) {
    process.stderr.write(USAGE)
    return 2
  }
  if (isHelp(first) || first === 'help') return help(first === 'help' ? rest.filter((arg) => !isHelp(arg)) : [])
  if (first === '--version' || first === '-v' || first === 'version') {
    process.stdout.write(`${VERSION}\n`)
    return 0
  }
  const named = findNamed({ name: first, among: COMMANDS, path: '' })
  const options = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
  if (options.some(isHelp)) return help([first, ...rest.filter((arg) => !arg.startsWith('-'))])
  return (await named.load()).run(rest)
}

/** Prints the help of a command or subcommand, or the usage. */
async function help([name, of]: readonly string[]): Promise<number> {
  if (name === undefined) {
    process.stdout.write(USAGE)
    return 0
  }
  const found = await findNamed({ name, among: COMMANDS, path: '' }).load()
  const { subcommands } = found
  const shown =
    of === undefined || subcommands === undefined ? found : findNamed({ name: of, among: subcommands, path: name })
  process.stdout.write(shown.help)
  return 0
}

/**
 * Prints an error to standard error, as a line of JSON for a program that asked for JSON. Returns the exit code: 2 for
 * wrong usage, else 1. An error that no code of this program expects has its stack.
 */
function report(error: unknown, { json }: { json: boolean }): number {
  const known = error instanceof AppError || error instanceof SandboxError
  if (json) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${plainJson({ error: { code: known ? error.code : 'unexpected', message } })}\n`)
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
 * Ends the program without a word once nobody reads its output any more, as in `deliveries list --all | head`. A command
 * that waits for signals gets SIGTERM, so that it stops as usual.
 */
function endQuietlyWithoutReader(): void {
  let isOver = false
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error
    if (isOver) return
    isOver = true
    if (!process.emit('SIGTERM')) process.exit(NO_READER)
  }
  process.stdout.on('error', onError)
  process.stderr.on('error', onError)
}

endQuietlyWithoutReader()
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
