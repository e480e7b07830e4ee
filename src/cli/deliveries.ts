import { type Command, usageError } from './command.ts'
import { listDeliveries } from './deliveries-list.ts'
import { replayDeliveries } from './deliveries-replay.ts'
import { showDelivery } from './deliveries-show.ts'
import { FILTER_HELP } from './delivery-options.ts'

const PARTS = { list: listDeliveries, show: showDelivery, replay: replayDeliveries } as const

export const deliveries: Command = {
  name: 'deliveries',
  summary: 'list, show and replay what the shop sent',
  help: `Looks at the deliveries in the inbox, and has them worked on again. It works beside a running service, which goes on
with what is replayed within a second, and without one. Run it where the service runs, with the same settings.

Usage: lernito-openedx deliveries list [SEARCH] [FILTER]... [--limit N | --all] [--json]
       lernito-openedx deliveries show ID [--json]
       lernito-openedx deliveries replay ID... [--json]
       lernito-openedx deliveries replay FILTER... [--succeeded] [--dry-run] [--json]

  SEARCH         the beginning of an address, a username, a course key or a delivery's id
${FILTER_HELP}

list    Newest activity first.
  --limit N      so many (default 50); --all: all there are
  --json         a JSON object in each line

show    One delivery with its payload, its outcome and all that happened to it.
  --json         a JSON object

replay  Makes deliveries due now, as if the shop had sent them again: one that has failed for good begins anew, one that
        waits for its next try needn't wait any longer. What was rejected for its payload stays rejected: only the shop
        can correct that. A filter means all that it finds, without those that succeeded or were handled. Ctrl-C stops
        it: what is due by then stays due.
  --succeeded    those that succeeded too: enrolls again whoever was unenrolled since
  --all          every delivery, where no filter is given
  --dry-run      only says how many and which
  --json         a JSON object

The exit code is 0; 1 if something could not be done, such as replaying an id that nobody knows; 2 for wrong usage.

Examples:
  lernito-openedx deliveries list ada@example.com
  lernito-openedx deliveries list --state needs_attention --since 7d --json
  lernito-openedx deliveries show 01KG9YS7G00000C80981646AF3
  lernito-openedx deliveries replay --state needs_attention --course course-v1:edX+DemoX+Demo_Course
`,
  run: async ([part = '', ...args]) => {
    if (part !== 'list' && part !== 'show' && part !== 'replay') {
      throw usageError('deliveries takes list, show or replay. See: lernito-openedx deliveries --help')
    }
    return PARTS[part](args)
  },
}
