import { type Command, usageError } from './command.ts'
import { checkDeliveries } from './deliveries-check.ts'
import { listDeliveries } from './deliveries-list.ts'
import { replayDeliveries } from './deliveries-replay.ts'
import { showDelivery } from './deliveries-show.ts'
import { FILTER_HELP } from './delivery-options.ts'

const SUBCOMMANDS = {
  list: listDeliveries,
  show: showDelivery,
  replay: replayDeliveries,
  check: checkDeliveries,
} as const

export const deliveries: Command = {
  name: 'deliveries',
  summary: 'list, show, check and replay what the shop sent',
  help: `Shows the deliveries in the inbox, and replays them. The command works with or without a running service. A running
service attempts replayed deliveries within a second. Run the command where the service runs, with the same settings.

Usage: lernito-openedx deliveries list [SEARCH] [FILTER]... [--limit N | --all] [--json]
       lernito-openedx deliveries show ID [--json]
       lernito-openedx deliveries check ID... [--json]
       lernito-openedx deliveries replay ID... [--json]
       lernito-openedx deliveries replay FILTER... [--enrolled] [--dry-run] [--json]

  SEARCH         the beginning of an address, a username, a course key or a delivery's id
${FILTER_HELP}

list    Lists deliveries, the most recently active first.
  --limit N      at most N deliveries (default 50)
  --all          all deliveries
  --json         one JSON object per line

show    Shows one delivery with its payload, its outcome and its timeline.
  --json         a JSON object

check   Looks up what the LMS has for the buyers now, in each course, and stores it with the delivery. It enrolls nobody. A
        delivery that is pre-enrolled becomes enrolled if the buyer is.
  --json         a JSON array

replay  Makes deliveries due now, as if the shop had sent them again. A delivery that needs attention or was
        rejected starts over, and one that waits for its next attempt is attempted now. A delivery that was rejected for
        its payload stays rejected: only the shop can correct it. With a filter, the command replays every match except
        deliveries that are enrolled, pre-enrolled, handled or withdrawn. Ctrl-C stops the command; deliveries that are due by then stay due.
  --enrolled     also replays enrolled and pre-enrolled deliveries: people who were unenrolled since are enrolled again
  --all          replays every delivery; takes the place of a filter
  --dry-run      only shows how many deliveries match, and some of them
  --json         a JSON object

The exit code is 0 if everything was done, 1 if something was not, such as a replay of an unknown id, 2 for wrong usage.

Examples:
  lernito-openedx deliveries list ada@example.com
  lernito-openedx deliveries list --state needs_attention --since 7d --json
  lernito-openedx deliveries show 01KG9YS7G00000C80981646AF3
  lernito-openedx deliveries replay --state needs_attention --course course-v1:edX+DemoX+Demo_Course
`,
  run: async ([name = '', ...args]) => {
    if (name !== 'list' && name !== 'show' && name !== 'check' && name !== 'replay') {
      throw usageError('deliveries takes list, show, check or replay. See: lernito-openedx deliveries --help')
    }
    return SUBCOMMANDS[name](args)
  },
}
