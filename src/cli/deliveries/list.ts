import type { Found, Operations, Summary } from '../../operators/changes/operations.ts'
import type { DeliveryFilter } from '../../operators/find/filter.ts'
import { countFound } from '../../operators/find/search.ts'
import { totalOf } from '../../operators/reports/counts.ts'
import { DELIVERY_STATES } from '../../sale/types.ts'
import { describeOutcome } from '../../sale/words.ts'
import { type Command, parseOptions, usageError } from '../command.ts'
import { FILTER_HELP, FILTER_OPTIONS, readFilter } from '../delivery-options.ts'
import { withOperations } from '../operations.ts'
import { columns, plain, plainJson, timeText } from '../plain.ts'

const PAGE = 500
const HEAD = ['ID', 'STATE', 'LAST ACTIVE', 'E-MAIL', 'COURSES', 'OUTCOME']

export const list: Command = {
  name: 'list',
  summary: 'list deliveries and count them by state',
  help: `Lists deliveries, the most recently active first. The last line counts all
deliveries that match, in total and by state.

Usage: lernito-openedx deliveries list [SEARCH] [FILTER]... [OPTIONS]

  SEARCH         any parts of what the shop sent: an address, a name, a course
                 key, an order number; or the id of a delivery
${FILTER_HELP}
  --limit N      at most N deliveries (default 50)
  --all          all deliveries
  --count        only the counts
  --json         one JSON object per line; with --count, one JSON object

Examples:
  lernito-openedx deliveries list ada@example.com
  lernito-openedx deliveries list --state needs_attention --since 7d --json
`,
  run: listDeliveries,
}

async function listDeliveries(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries list', {
    args: [...args],
    allowPositionals: true,
    options: {
      ...FILTER_OPTIONS,
      limit: { type: 'string' },
      all: { type: 'boolean', default: false },
      count: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [search = '', ...more] = positionals
  if (more.length > 0) throw usageError('deliveries list takes one SEARCH. See: lernito-openedx deliveries list --help')
  if (values.all && values.limit !== undefined) throw usageError('--limit and --all contradict each other.')
  if (values.count && (values.all || values.limit !== undefined)) {
    throw usageError('--count lists nothing, so it takes neither --limit nor --all.')
  }
  const limit = values.all ? Number.POSITIVE_INFINITY : readLimit(values.limit ?? '50')
  const filter = readFilter({ values, search, now: Date.now() })
  return withOperations(async ({ operations, context }) => {
    const count = () => countFound({ db: context.database.db, filter })
    if (values.count) {
      const counts = await count()
      process.stdout.write(
        values.json ? `${plainJson({ total: totalOf(counts), states: counts })}\n` : describeCounts(counts),
      )
      return 0
    }
    let shown = 0
    for await (const { items, isCut } of pages({ operations, filter, limit })) {
      if (values.json) process.stdout.write(items.map((item) => `${plainJson(item)}\n`).join(''))
      else if (items.length > 0) process.stdout.write(columns([...(shown === 0 ? [HEAD] : []), ...items.map(line)]))
      shown += items.length
      if (isCut) process.stderr.write(`There may be more than these ${shown}. Use --limit N or --all\n`)
    }
    if (values.json) return 0
    if (shown === 0) process.stderr.write('No delivery found.\n')
    else process.stdout.write(describeCounts(await count()))
    return 0
  })
}

/** One line. The states are in their usual order. */
function describeCounts(states: Awaited<ReturnType<typeof countFound>>): string {
  const total = totalOf(states)
  const parts = DELIVERY_STATES.flatMap((state) => {
    const count = states[state] ?? 0
    return count === 0 ? [] : [`${state} ${count}`]
  })
  const noun = total === 1 ? 'delivery' : 'deliveries'
  return `${total} ${noun}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}\n`
}

function readLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usageError(`--limit ${text} is not a number above 0.`)
}

/** A page may be empty: a search reads a bounded number of rows. `isCut`: the limit is reached, and there may be more. */
async function* pages({
  operations,
  filter,
  limit,
}: {
  operations: Operations
  filter: DeliveryFilter
  limit: number
}) {
  let left = limit
  for (let after: string | null = null; ; ) {
    const { items, next }: Found = await operations.list({ filter, limit: Math.min(left, PAGE), after })
    left -= items.length
    yield { items, isCut: next !== null && left <= 0 }
    if (next === null || left <= 0) return
    after = next
  }
}

function line({ id, state, activeAt, email, courseIds, outcome, dueAt, source }: Summary): string[] {
  const next = dueAt === null ? '' : `next attempt ${timeText(dueAt)}`
  const result = outcome === null ? '' : describeOutcome(outcome)
  const summary = [result, state === 'queued' ? next : ''].filter((text) => text !== '').join('; ')
  const shownState = source === 'test' ? `${state} (test)` : state
  return [id, shownState, timeText(activeAt), plain(email ?? '-'), plain(courseIds.join(', ')), plain(summary)]
}
