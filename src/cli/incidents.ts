import type { Incident } from '../incidents/list-incidents.ts'
import { listIncidents } from '../incidents/list-incidents.ts'
import { type Command, parseOptions, usageError } from './command.ts'
import { withOperations } from './operations.ts'
import { columns, plain, plainJson, timeText } from './plain.ts'

const HEAD = ['FROM', 'TO', 'KIND', 'SALES', 'STILL QUEUED', 'LAST ENROLLED', 'CAUSE']

export const incidents: Command = {
  name: 'incidents',
  summary: 'list when the LMS or the database was away',
  help: `Shows when the LMS or the database was away, throttled or misconfigured. It works with or without a running service. Run it
where the service runs, with the same settings.

Usage: lernito-openedx incidents list [--json]

list    Lists the latest 20 incidents: from, to, the cause, how many sales waited, how many of them still wait,
        and when the last of them was enrolled. An outage of the database appears when it is over.
  --json         one JSON object per line

The exit code is 0, or 2 for wrong usage.

Examples:
  lernito-openedx incidents list
`,
  run: async ([name = '', ...args]) => {
    if (name !== 'list') throw usageError('incidents takes list. See: lernito-openedx incidents --help')
    const { values } = parseOptions('incidents', { args, options: { json: { type: 'boolean', default: false } } })
    return withOperations(async ({ context: { database, now } }) => {
      const { items } = await listIncidents({ db: database.db, now: now() })
      if (values.json) process.stdout.write(items.map((item) => `${plainJson(item)}\n`).join(''))
      else if (items.length > 0) process.stdout.write(columns([HEAD, ...items.map(line)]))
      else process.stderr.write('No incident was recorded.\n')
      return 0
    })
  },
}

function line({ from, to, kind, cause, sales, queued, lastEnrolledAt }: Incident): string[] {
  const count = sales.more ? `more than ${sales.count}` : `${sales.count}`
  const enrolled = lastEnrolledAt === null ? '-' : timeText(lastEnrolledAt)
  return [timeText(from), to === null ? 'now' : timeText(to), kind, count, `${queued}`, enrolled, plain(cause)]
}
