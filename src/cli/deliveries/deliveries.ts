import { type Command, subcommandsHelp, usageError } from '../command.ts'
import { list } from './list.ts'
import { replay } from './replay.ts'
import { show } from './show.ts'
import { withdraw } from './withdraw.ts'

const SUBCOMMANDS: readonly Command[] = [list, show, replay, withdraw]

export const deliveries: Command = {
  name: 'deliveries',
  summary: 'list, show, replay and withdraw what the shop sent',
  help: `Shows and changes the deliveries in the inbox. The command works with or without
a running service. A change is stored first. A running service attempts the
delivery, or carries out the withdrawal, within a second or two. Each change is
recorded with your name. Run the command where the service runs, with the same
settings. Only withdraw needs those of the LMS. To correct a delivery or to mark
it as handled, use the console.

Usage: lernito-openedx deliveries SUBCOMMAND [ARGUMENTS]

${subcommandsHelp('deliveries', SUBCOMMANDS)}
The exit code is 0 if everything was done, 1 if something was not, such as a
replay of an unknown id, 2 for wrong usage.

Example:
  lernito-openedx deliveries list --state needs_attention
`,
  subcommands: SUBCOMMANDS,
  run: async ([name = '', ...args]) => {
    const subcommand = SUBCOMMANDS.find((one) => one.name === name)
    if (subcommand !== undefined) return subcommand.run(args)
    const names = SUBCOMMANDS.map((one) => one.name).join(', ')
    throw usageError(`deliveries takes ${names}. See: lernito-openedx deliveries --help`)
  },
}
