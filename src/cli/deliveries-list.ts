import { describeOutcome } from '../delivery/describe.ts'
import type { Found, Operations, Summary } from '../operations/operations.ts'
import type { DeliveryFilter } from '../search/filter.ts'
import { parseOptions, usageError } from './command.ts'
import { FILTER_OPTIONS, readFilter } from './delivery-options.ts'
import { withOperations } from './operations.ts'
import { columns, plain, plainJson, timeText } from './plain.ts'

const PAGE = 500
const HEAD = ['ID', 'STATE', 'LAST ACTIVE', 'E-MAIL', 'COURSES', 'OUTCOME']

/** The command `deliveries list`. */
export async function listDeliveries(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries', {
    args: [...args],
    allowPositionals: true,
    options: {
      ...FILTER_OPTIONS,
      limit: { type: 'string' },
      all: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [search = '', ...more] = positionals
  if (more.length > 0) throw usageError('deliveries list takes one SEARCH. See: lernito-openedx deliveries --help')
  if (values.all && values.limit !== undefined) throw usageError('--limit and --all contradict each other.')
  const limit = values.all ? Number.POSITIVE_INFINITY : readLimit(values.limit ?? '50')
  const filter = readFilter({ values, search, now: Date.now() })
  return withOperations(async ({ operations }) => {
    let shown = 0
    for await (const { items, isCut } of pages({ operations, filter, limit })) {
      if (values.json) process.stdout.write(items.map((item) => `${plainJson(item)}\n`).join(''))
      else if (items.length > 0) process.stdout.write(columns([...(shown === 0 ? [HEAD] : []), ...items.map(line)]))
      shown += items.length
      if (isCut) process.stderr.write(`There may be more than these ${shown}. Use --limit N or --all\n`)
    }
    if (shown === 0 && !values.json) process.stderr.write('No delivery found.\n')
    return 0
  })
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
