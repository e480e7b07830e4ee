import { VERSION } from '../service/lib/version.ts'
import { type Command, findNamed, type Listed, listText } from './command.ts'
import { endQuietlyWithoutReader, report } from './ending.ts'

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
  {
    name: 'completion',
    summary: 'print a script that completes commands and options in a shell',
    load: async () => (await import('./completion.ts')).completionOf(COMMANDS),
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
