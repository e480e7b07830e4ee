import { type Command, subcommandsHelp, usageError } from '../command.ts'
import { list } from './list.ts'
import { listen } from './listen.ts'
import { resend } from './resend.ts'

const SUBCOMMANDS: readonly Command[] = [list, resend, listen]

export const events: Command = {
  name: 'events',
  summary: 'list and resend the events for the shop; receive them in development',
  help: `Shows the events that the shop does not have yet, sends events again, and
receives events in development. list and resend work with or without a running
service. Run them where the service runs, with the same settings.

Usage: lernito-openedx events SUBCOMMAND [ARGUMENTS]

${subcommandsHelp('events', SUBCOMMANDS)}
The exit code is 0 if everything was done, 1 if something was not, such as an
unknown id, 2 for wrong usage.

Example:
  lernito-openedx events list
`,
  subcommands: SUBCOMMANDS,
  run: async ([name = '', ...args]) => {
    const subcommand = SUBCOMMANDS.find((one) => one.name === name)
    if (subcommand !== undefined) return subcommand.run(args)
    const names = SUBCOMMANDS.map((one) => one.name).join(', ')
    throw usageError(`events takes ${names}. See: lernito-openedx events --help`)
  },
}
