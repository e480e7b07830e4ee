import type { DeliveryFilter } from '../operators/find/filter.ts'
import type { Found, Shown, Summary } from '../operators/find/listing.ts'
import { countFound } from '../operators/find/search.ts'
import { toldOf } from '../operators/find/timeline.ts'
import { totalOf } from '../operators/reports/counts.ts'
import { type GivenAnswer, type GivenAnswers, REQUEST_WORDS } from '../queue/shop-answers.ts'
import { describeWithdrawal, type Withdrawal } from '../queue/withdrawal-row.ts'
import { deliverySentence, sentenceText } from '../sale/delivery-sentence.ts'
import { DELIVERY_STATES, type DeliveryEvent } from '../sale/types.ts'
import { describeOutcome, describeStandings, detailText, formText } from '../sale/words.ts'
import { command, commandGroup, misused, usageError } from './command.ts'
import { replay, withdraw } from './deliveries-changes.ts'
import { FILTER_OPTIONS, readFilter } from './delivery-options.ts'
import { noDelivery, type Opened, withOperations } from './operations.ts'
import { columns, plain, plainJson, timeText } from './plain.ts'

const PAGE = 500
const HEAD = ['ID', 'STATE', 'LAST ACTIVE', 'E-MAIL', 'COURSES', 'OUTCOME']

const list = command({
  name: 'list',
  parent: 'deliveries',
  summary: 'list deliveries and count them by state',
  positionals: true,
  options: {
    ...FILTER_OPTIONS,
    limit: { type: 'string' },
    all: { type: 'boolean', default: false },
    count: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values, positionals }) => {
    const [search = '', ...more] = positionals
    if (more.length > 0) throw misused('deliveries list', 'takes one SEARCH')
    if (values.all && values.limit !== undefined) throw usageError('--limit and --all contradict each other.')
    if (values.count && (values.all || values.limit !== undefined)) {
      throw usageError('--count lists nothing, so it takes neither --limit nor --all.')
    }
    const limit = values.all ? Number.POSITIVE_INFINITY : readLimit(values.limit ?? '50')
    const filter = readFilter({ values, search, now: Date.now() })
    return withOperations(async (opened) => {
      const count = () => countFound(opened.context.database.db, filter)
      if (values.count) {
        const counts = await count()
        process.stdout.write(
          values.json ? `${plainJson({ total: totalOf(counts), states: counts })}\n` : describeCounts(counts),
        )
        return 0
      }
      let shown = 0
      for await (const { items, isCut } of pages(opened, { filter, limit })) {
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
  },
})

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
async function* pages({ operations }: Opened, { filter, limit }: { filter: DeliveryFilter; limit: number }) {
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

const show = command({
  name: 'show',
  parent: 'deliveries',
  summary: 'show one delivery',
  positionals: true,
  options: { json: { type: 'boolean', default: false } },
  run: async ({ values, positionals }) => {
    const [id, ...more] = positionals
    if (id === undefined || more.length > 0) {
      throw misused('deliveries show', 'takes one ID')
    }
    return withOperations(async ({ operations }) => {
      const shown = await operations.show(id.toUpperCase())
      if (shown === null) return noDelivery(id)
      // The answers to the shop are printed by themselves.
      const timeline = (await operations.timeline(shown.id)).map(({ answer: _answer, ...event }) => event)
      const withdrawals = await operations.withdrawals(shown.id)
      const answers = await operations.answers(shown.id)
      const body = Buffer.from(shown.body).toString()
      process.stdout.write(
        values.json
          ? `${plainJson({ ...shown, body, timeline, answers, withdrawals }, 2)}\n`
          : describe({ shown, body, timeline, answers, withdrawals }),
      )
      return 0
    })
  },
})

function describe(of: {
  shown: Shown
  body: string
  timeline: readonly DeliveryEvent[]
  answers: GivenAnswers
  withdrawals: readonly Withdrawal[]
}): string {
  const { shown, body, timeline, answers, withdrawals } = of
  const { request, outcome, unreadable } = shown
  const checkedAt = Object.values(shown.standings)
    .map((one) => one.checkedAt)
    .sort()[0]
  const facts: [string, string | null][] = [
    ['delivery', shown.id],
    ['state', shown.state],
    ['received', timeText(shown.receivedAt)],
    ['last active', timeText(shown.activeAt)],
    ['next attempt', shown.dueAt === null ? null : timeText(shown.dueAt)],
    ['failed attempts', `${shown.attempts}`],
    ['e-mail', request?.email ?? null],
    ['name', request === null ? null : `${request.name} ${request.family}`],
    ['username', request?.username ?? null],
    ['courses', request === null ? null : request.courseIds.join(', ')],
    [
      'now',
      unreadable === null
        ? sentenceText(deliverySentence(toldOf(shown, { events: timeline, withdrawals })), timeText)
        : null,
    ],
    ['outcome', outcome === null ? null : describeOutcome(outcome) || 'none yet'],
    ['in the LMS', describeStandings(shown.standings) || null],
    ['checked', checkedAt === undefined ? null : timeText(checkedAt)],
    ['unreadable', unreadable],
    ['replaces', shown.replaces],
    ['replaced by', shown.replacedBy],
    ['withdrawal', withdrawals.map(describeOrder).join('; ') || null],
    ...source(shown),
    ['webhook-id', shown.webhookId],
    ['payload', body.replace(/\s+/g, ' ')],
  ]
  const rows = facts.flatMap(([name, text]) => (text === null ? [] : [[name, plain(text)]]))
  const events = timeline.map((event) => [timeText(event.at), event.kind, eventText(event)])
  return [rows, describeAnswers(answers), events]
    .map(columns)
    .filter((text) => text !== '')
    .join('\n')
}

const source = ({ source: from, form }: Shown): [string, string][] =>
  from === 'shop' ? [['signed text', formText(form)]] : [['source', from]]

function describeAnswers({ first, omitted, last }: GivenAnswers): string[][] {
  const line = ({ at, to, status, ms }: GivenAnswer): string[] => [
    timeText(at),
    status === null ? 'hung up' : `answered ${status}`,
    `to ${REQUEST_WORDS[to]}, after ${ms} ms`,
  ]
  const gap = omitted === 0 ? [] : [['...', `${omitted} more`, '']]
  return [...first.map(line), ...gap, ...last.map(line)]
}

/** The progress of a withdrawal. */
function describeOrder({ by, isRefund, endedAt, dueAt, result }: Withdrawal): string {
  const found = result === null ? '' : `: ${describeWithdrawal(result)}`
  const from = isRefund ? 'refund from the shop' : `requested by ${by}`
  return endedAt === null
    ? `${from}, next attempt ${timeText(dueAt)}${found}`
    : `${from}, ended ${timeText(endedAt)}${found}`
}

/** What an event of a timeline says beside its kind, and who caused it. */
const eventText = ({ detail, actor }: Pick<DeliveryEvent, 'detail' | 'actor'>): string =>
  plain([detailText(detail), actor === null ? '' : `by ${actor}`].filter((text) => text !== '').join(', '))

export const deliveries = commandGroup({
  name: 'deliveries',
  subcommands: [list, show, replay, withdraw],
})
