import { type Command, subcommandsHelp, usageError } from '../cli/command.ts'
import { check } from './check.ts'
import { correct } from './correct.ts'
import { handle } from './handle.ts'
import { list } from './list.ts'
import { replay } from './replay.ts'
import { show } from './show.ts'
import { testSale } from './test-sale.ts'
import { withdraw } from './withdraw.ts'

const SUBCOMMANDS: readonly Command[] = [list, show, replay, check, handle, correct, withdraw, testSale]

export const deliveries: Command = {
  name: 'deliveries',
  summary: 'list, show, check, replay, correct and withdraw what the shop sent',
  help: `Shows and changes the deliveries in the inbox. The command works with or without
a running service. A change is stored first. A running service attempts the
delivery, or carries out the withdrawal, within a second or two. Each change is
recorded with your name. Run the command where the service runs, with the same
settings. Commands that ask the LMS need its settings, the others do not.

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
