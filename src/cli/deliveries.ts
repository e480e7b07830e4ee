import { fill, TEXTS } from '../console/layout/texts.ts'
import { listAll, type Shown, type Summary } from '../operators/find/listing.ts'
import { countFound } from '../operators/find/search.ts'
import type { TimelineEvent } from '../operators/find/timeline.ts'
import { type StateCounts, totalOf } from '../operators/reports/counts.ts'
import { describeWithdrawal, type Withdrawal, withdrawalsOf } from '../queue/withdrawals/withdrawal.ts'
import { deliverySentence, sentenceText } from '../sale/delivery-sentence.ts'
import { resultsOf } from '../sale/line.ts'
import { DELIVERY_STATES, EVENTS, REASONS } from '../sale/types.ts'
import { describeAchievements, describeOutcome, describeStandings, detailText, formText } from '../sale/words.ts'
import { command, commandGroup, numberIn, onlyArgument, usageError } from './command.ts'
import { FILTER_OPTIONS, readFilter } from './delivery-options.ts'
import { itemOf, needDelivery, type Opened, withOperations } from './operations.ts'
import { columns, plain, plainJson, printJson, printPart, terminalWidth, timeText } from './plain.ts'

const LIMIT_MAX = 999_999_999

const list = command({
  name: 'deliveries list',
  positionals: true,
  options: {
    ...FILTER_OPTIONS,
    limit: { type: 'string' },
    all: { type: 'boolean', default: false },
    count: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values, positionals }) => {
    if (values.all && values.limit !== undefined) throw usageError('--limit and --all contradict each other.')
    if (values.count && (values.all || values.limit !== undefined)) {
      throw usageError('--count lists nothing, so it takes neither --limit nor --all.')
    }
    const { limit: text = '50' } = values
    const limit = values.all ? Number.POSITIVE_INFINITY : numberIn({ option: 'limit', text, least: 1, most: LIMIT_MAX })
    const filter = readFilter({ values, search: positionals.join(' '), now: Date.now() })
    return withOperations(async (opened) => {
      const count = () => countFound(opened.context.database.db, filter)
      if (values.count) {
        const counts = await count()
        if (values.json) printJson({ total: totalOf(counts), states: counted(counts) })
        else process.stdout.write(describeCounts(counts))
        return 0
      }
      let shown = 0
      for await (const items of listAll({ read: opened.operations.list, filter, now: Date.now, most: limit })) {
        if (values.json) await printPart(items.map((item) => `${plainJson(itemOf(item))}\n`).join(''))
        else if (items.length > 0) await printPart(table(items, { head: shown === 0, now: Date.now() }))
        shown += items.length
      }
      if (values.json) return 0
      if (shown === 0) process.stderr.write('No delivery found.\n')
      else process.stderr.write(describeShown({ shown, counts: await count() }))
      return 0
    })
  },
})

/** What the list has of all that match, for standard error: a program that reads the list does not want it. */
function describeShown({ shown, counts }: { shown: number; counts: StateCounts }): string {
  if (shown >= totalOf(counts)) return describeCounts(counts)
  return `Showing ${shown} of ${describeCounts(counts)}For more, use --limit N or --all.\n`
}

/** The states that have deliveries, in their usual order. */
const counted = (counts: StateCounts): Partial<StateCounts> =>
  Object.fromEntries(DELIVERY_STATES.filter((state) => counts[state] > 0).map((state) => [state, counts[state]]))

/** One line. */
function describeCounts(states: StateCounts): string {
  const total = totalOf(states)
  const parts = DELIVERY_STATES.flatMap((state) => {
    const count = states[state]
    if (count === 0) return []
    if (state === 'pre_enrolled') {
      const { one, many } = TEXTS.counts.pre_enrolled
      return fill(count === 1 ? one : many, { count: `${count}` })
    }
    return `${count} ${count > 1 && state === 'needs_attention' ? 'need attention' : TEXTS.states[state].toLowerCase()}`
  })
  const noun = total === 1 ? 'delivery' : 'deliveries'
  return `${total} ${noun}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}\n`
}

const HEAD = ['ID', 'STATE', 'LAST ACTIVE', 'EMAIL', 'COURSES', 'OUTCOME']
const COURSES = HEAD.indexOf('COURSES')
/** A narrower terminal has no room for the courses. */
const ROOM_FOR_COURSES = 100

/**
 * Deliveries as a table. A terminal gets as much as fits: ids by their beginnings, as commands take them, times and keys
 * without what all share, and long cells cut.
 */
function table(items: readonly Summary[], { head, now }: { head: boolean; now: number }): string {
  const width = terminalWidth()
  const ids = items.map(({ id }) => id)
  const shown = width === null ? ids : shortened(ids)
  const today = width === null ? null : timeText(now).slice(0, DATE)
  const rows = items.map((item, i) => [shown[i] ?? item.id, ...cells(item, today)])
  const all = [...(head ? [HEAD] : []), ...rows]
  const fitting = width !== null && width < ROOM_FOR_COURSES ? all.map((row) => row.toSpliced(COURSES, 1)) : all
  return columns(fitting, { width, whole: 3 })
}

const DATE = '2026-01-31'.length
/** A time of today as the time alone, and any other as its date. */
const shortTime = (at: number, today: string): string =>
  timeText(at).startsWith(today) ? timeText(at).slice(DATE + 1) : timeText(at).slice(0, DATE)

/** The first characters of an id are the time in milliseconds, so this many mostly tell deliveries apart. */
const SHORT_ID = 12

/** Ids cut to a length at which they still differ. */
function shortened(ids: readonly string[]): string[] {
  let length = SHORT_ID
  while (new Set(ids.map((id) => id.slice(0, length))).size < ids.length) length++
  return ids.map((id) => id.slice(0, length))
}

/** @param today the date in UTC, at a terminal; null for a program */
function cells(item: Summary, today: string | null): string[] {
  const { state, activeAt, email, courseIds, dueAt, source, reason } = item
  const why = state === 'needs_attention' || state === 'rejected' ? reason : null
  const fact =
    today !== null && why !== null
      ? REASONS[why.code].name
      : sentenceText({ ...deliverySentence(item), next: '' }, timeText)
  const next = state === 'queued' && dueAt !== null ? ` ${dueText(dueAt)} ${timeText(dueAt)}` : ''
  const shownState = `${TEXTS.states[state]}${source === 'test' ? ' (test)' : ''}`
  const courses = today === null ? courseIds : courseIds.map((key) => key.replace(/^course-v1:/, ''))
  const active = today === null ? timeText(activeAt) : shortTime(activeAt, today)
  return [
    shownState,
    active,
    plain(email ?? '-'),
    plain(courses.join(', ')),
    plain(`${fact}${next}`.replace(/\.$/, '')),
  ]
}

/** What the time means at which the next attempt is due: during an outage, it passes without one. */
const dueText = (dueAt: number | null): string => ((dueAt ?? 0) > Date.now() ? 'Next attempt' : 'Due since')

const show = command({
  name: 'deliveries show',
  positionals: true,
  options: { json: { type: 'boolean', default: false } },
  run: async ({ values, positionals }) => {
    const id = onlyArgument('deliveries show', 'one ID', positionals)
    return withOperations(async (opened) => {
      const { operations } = opened
      const shown = await needDelivery(opened, id)
      const timeline = await operations.timeline(shown.id)
      const body = Buffer.from(shown.body).toString()
      if (values.json) printJson({ ...withoutInternals(shown), body, timeline })
      else {
        const outage = shown.state === 'queued' ? await outageText(opened) : null
        process.stdout.write(describe({ shown, body, timeline, outage }))
      }
      return 0
    })
  },
})

/** Why nothing is attempted now, as the service last recorded it; null if the LMS takes calls. */
async function outageText({ operations, context: { now } }: Opened): Promise<string | null> {
  const at = now()
  const latest = (await operations.incidentsBetween({ from: at, to: at + 1 })).at(-1)
  if (latest === undefined || latest.to !== null || latest.kind === 'database') return null
  return `${TEXTS.status.lms[latest.kind]} ${TEXTS.status.since} ${timeText(latest.from)}: ${plain(latest.cause)}`
}

/** A delivery, without what only the service uses. */
function withoutInternals(shown: Shown) {
  const { digest: _digest, person: _person, generation: _generation, effectUnknown: _unknown, ...told } = shown
  const { lastEvent: _lastEvent, withdrawable: _withdrawable, readsFirst: _readsFirst, ...delivery } = told
  return delivery
}

function describe(of: {
  shown: Shown
  body: string
  timeline: readonly TimelineEvent[]
  outage: string | null
}): string {
  const { shown, body, timeline, outage } = of
  const { request, reason, lines, unreadable } = shown
  const [checkedAt] = lines.flatMap(({ standing }) => standing?.checkedAt ?? []).sort()
  const facts: [string, string | null][] = [
    ['delivery', shown.id],
    ['state', TEXTS.states[shown.state]],
    ['received', timeText(shown.receivedAt)],
    ['last active', timeText(shown.activeAt)],
    [dueText(shown.dueAt).toLowerCase(), shown.dueAt === null ? null : timeText(shown.dueAt)],
    ['failed attempts', `${shown.attempts}`],
    ['email', request?.email ?? null],
    ['name', request === null ? null : `${request.name} ${request.family}`],
    ['username', request?.username ?? null],
    ['courses', request === null ? null : request.courseIds.join(', ')],
    ['now', unreadable === null ? sentenceText(deliverySentence(shown), timeText) : null],
    ['waits', outage],
    ['outcome', describeOutcome({ courses: resultsOf(lines), reason }) || null],
    ['in the LMS', describeStandings(lines) || null],
    ['checked', checkedAt === undefined ? null : timeText(checkedAt)],
    ['achieved', describeAchievements(lines) || null],
    ['unreadable', unreadable],
    ['replaces', shown.replaces],
    ['replaced by', shown.replacedBy],
    ['withdrawal', withdrawalsOf(shown).map(describeOrder).join('; ') || null],
    ...source(shown),
    ['webhook-id', shown.webhookId],
    ['payload', body.replace(/\s+/g, ' ')],
  ]
  const rows = facts.flatMap(([name, text]) => (text === null ? [] : [[name, plain(text)]]))
  const events = timeline.map((event) => [timeText(event.at), EVENTS[event.kind].name, eventText(event)])
  return `${columns(rows)}\n${columns(events)}`
}

const source = ({ source: from, form }: Shown): [string, string][] =>
  from === 'shop' ? [['signed text', formText(form)]] : [['source', from]]

/** The progress of a withdrawal. */
function describeOrder({ by, isRefund, endedAt, dueAt, result }: Withdrawal): string {
  const found = result === null ? '' : `: ${describeWithdrawal(result)}`
  const from = isRefund ? 'refund from the shop' : `requested by ${by}`
  const when = endedAt === null ? `next attempt ${timeText(dueAt ?? 0)}` : `ended ${timeText(endedAt)}`
  return `${from}, ${when}${found}`
}

/** What an event of a timeline says beside its kind, who caused it, and what the shop was answered. */
function eventText({ detail, actor, answer }: TimelineEvent): string {
  const answered =
    answer === undefined
      ? ''
      : `${answer.status === null ? 'the sender hung up' : `answered ${answer.status}`} after ${answer.ms} ms`
  return plain(
    [detailText(detail), actor === null ? '' : `by ${actor}`, answered].filter((text) => text !== '').join(', '),
  )
}

export const deliveries = commandGroup({
  name: 'deliveries',
  subcommands: {
    list: () => list,
    show: () => show,
    replay: async () => (await import('./deliveries-changes.ts')).replay,
    withdraw: async () => (await import('./deliveries-changes.ts')).withdraw,
  },
})
