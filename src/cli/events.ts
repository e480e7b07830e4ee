import { type Command, usageError } from './command.ts'
import { listEvents } from './events-list.ts'
import { DEFAULT_PORT, listen } from './events-listen.ts'
import { resendEvents } from './events-resend.ts'

const SUBCOMMANDS = { list: listEvents, resend: resendEvents, listen } as const

const isSubcommand = (name: string): name is keyof typeof SUBCOMMANDS => Object.hasOwn(SUBCOMMANDS, name)

export const events: Command = {
  name: 'events',
  summary: 'list and resend the events for the shop; receive them in development',
  help: `Shows the events that the shop does not have yet, sends events again, and receives events in development. list and resend
work with or without a running service; a running service sends what resend stores within a second or two. Run them where
the service runs, with the same settings.

Usage: lernito-openedx events list [--json]
       lernito-openedx events resend ID... [--json]
       lernito-openedx events resend --failed [--json]
       lernito-openedx events listen [--port N] [--secret SECRET] [--json]

list    Shows the state of the shop's endpoint, how many events wait and how many were given up, and the oldest of them.
  --json         a JSON object

resend  Sends events again. An endpoint that answered 410 gets events again from then on.
  ID             a delivery's id: the shop gets a new event with the state of the delivery now
  --failed       all events that were given up after three days
  --json         a JSON object

listen  Receives events on 127.0.0.1, verifies each signature, and prints a line for each event. For development only: it
        answers 204 to every event that verifies, and 401 to the others. Ctrl-C ends it.
  --port N       the port (default ${DEFAULT_PORT})
  --secret S     the secret (default LERNITO_EVENTS_SECRET, or the sandbox's secret if that is not set)
  --json         prints the body of each event

The exit code is 0 if everything was done, 1 if something was not, such as an unknown id, 2 for wrong usage.

Examples:
  lernito-openedx events list
  lernito-openedx events resend 01KG9YS7G00000C80981646AF3
  lernito-openedx events listen --port ${DEFAULT_PORT}
`,
  run: async ([name = '', ...args]) => {
    if (isSubcommand(name)) return SUBCOMMANDS[name](args)
    throw usageError(`events takes ${Object.keys(SUBCOMMANDS).join(', ')}. See: lernito-openedx events --help`)
  },
}
