import { type Command, usageError } from './command.ts'
import { checkDeliveries } from './deliveries-check.ts'
import { correctDelivery } from './deliveries-correct.ts'
import { handleDelivery } from './deliveries-handle.ts'
import { listDeliveries } from './deliveries-list.ts'
import { replayDeliveries } from './deliveries-replay.ts'
import { showDelivery } from './deliveries-show.ts'
import { sellTest } from './deliveries-test-sale.ts'
import { withdrawDelivery } from './deliveries-withdraw.ts'
import { FILTER_HELP } from './delivery-options.ts'

const SUBCOMMANDS = {
  list: listDeliveries,
  show: showDelivery,
  replay: replayDeliveries,
  check: checkDeliveries,
  handle: handleDelivery,
  correct: correctDelivery,
  withdraw: withdrawDelivery,
  'test-sale': sellTest,
} as const

const NAMES = Object.keys(SUBCOMMANDS).join(', ')
const isSubcommand = (name: string): name is keyof typeof SUBCOMMANDS => Object.hasOwn(SUBCOMMANDS, name)

export const deliveries: Command = {
  name: 'deliveries',
  summary: 'list, show, check, replay, correct and withdraw what the shop sent',
  help: `Shows and changes the deliveries in the inbox. The command works with or without a running service. A change is stored
first. A running service attempts the delivery, or carries out the withdrawal, within a second or two. Each change is
recorded with your name. Run the command where the service runs, with the same settings.

Usage: lernito-openedx deliveries list [SEARCH] [FILTER]... [--limit N | --all] [--json]
       lernito-openedx deliveries list --group [--json]
       lernito-openedx deliveries show ID [--json]
       lernito-openedx deliveries check ID... [--json]
       lernito-openedx deliveries replay ID... [--json]
       lernito-openedx deliveries replay FILTER... [--enrolled] [--dry-run] [--json]
       lernito-openedx deliveries handle ID --note TEXT [--json]
       lernito-openedx deliveries correct ID [--email A] [--course K]... [--withdraw [--paid]] [--dry-run] [--json]
       lernito-openedx deliveries withdraw ID [--course K]... [--paid] [--dry-run] [--json]
       lernito-openedx deliveries test-sale EMAIL --course K... [--json]

  SEARCH         parts of the address, the name, the username or a course key, or the beginning of an id
${FILTER_HELP}

list    Lists deliveries, the most recently active first.
  --limit N      at most N deliveries (default 50)
  --all          all deliveries
  --group        only what needs attention or was rejected, counted by reason and course, with the newest delivery of each
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

handle  Records that you took care of a delivery by other means, in any state. The service makes no further attempt; the
        command ends when no call for the delivery is in progress. A replay, or the same sale from the shop, starts it
        again.
  --note TEXT    what was done
  --json         a JSON object

correct  Replaces a delivery by a corrected one, which the service attempts as if the shop had sent it. The old one becomes
        handled. If the LMS has no course with a key, the command names the closest one.
  --email A      the right address
  --course K     the right course key; repeat it for several courses. It replaces all course keys of the delivery
  --withdraw     also takes the buyer out of the courses of the old delivery
  --paid         with --withdraw, also takes away paid course modes
  --dry-run      only shows what would happen
  --json         a JSON object

withdraw  Shows what the LMS has for the buyer, and takes the buyer out of courses again: it unenrolls them, and deletes the
        allowance that would enroll them later. Only what the delivery reported can be withdrawn. The service carries it
        out, and retries while the LMS is unavailable. A queued delivery is stopped first. Without --course, the command
        withdraws all courses.
  --course K     a course; repeat it for several courses
  --paid         also takes away paid course modes, which the learner does not get back for free
  --dry-run      only shows what the LMS has
  --json         a JSON object

test-sale  Stores a sale of your own, marked as a test. It takes the same way as a webhook, and really enrolls the address.
        Withdraw it afterwards.
  --course K     a course; repeat it for several courses
  --json         a JSON object

The exit code is 0 if everything was done, 1 if something was not, such as a replay of an unknown id, 2 for wrong usage.

Examples:
  lernito-openedx deliveries list ada@example.com
  lernito-openedx deliveries list --state needs_attention --since 7d --json
  lernito-openedx deliveries show 01KG9YS7G00000C80981646AF3
  lernito-openedx deliveries replay --state needs_attention --course course-v1:edX+DemoX+Demo_Course
  lernito-openedx deliveries correct 01KG9YS7G00000C80981646AF3 --email ada@example.com --withdraw
  lernito-openedx deliveries withdraw 01KG9YS7G00000C80981646AF3 --dry-run
`,
  run: async ([name = '', ...args]) => {
    if (!isSubcommand(name)) throw usageError(`deliveries takes ${NAMES}. See: lernito-openedx deliveries --help`)
    return SUBCOMMANDS[name](args)
  },
}
