import type { NoticeRow } from '../../database/schema.ts'
import { type DeliveryState, REASON_CODES, REASONS } from '../../sale/types.ts'
import { reasonOfMany } from '../../sale/words.ts'
import { sanitize } from '../../service/lib/sanitize.ts'
import { isFault } from './notices.ts'

/** A text names this many causes. It only counts the others. */
const NAMED_MAX = 10
const NAME = 'lernito-openedx'

/** Where operators look: the address of the console, with a slash at its end; null if the console is off. */
export type ConsoleUrl = string | null

/** `notices` are the causes to tell of, `over` the faults that have ended. Both together hold at least one. */
export interface News {
  readonly notices: readonly NoticeRow[]
  readonly over: readonly NoticeRow[]
}

/** The text about all news, faults and large numbers first. It holds no personal data, and names at most 10 causes. */
export function newsText({ notices, over }: News, console: ConsoleUrl): string {
  const sorted = notices.toSorted((a, b) => Number(isFault(b)) - Number(isFault(a)) || b.count - a.count)
  const named = sorted.slice(0, NAMED_MAX)
  const more = sorted.slice(NAMED_MAX)
  const lines = [
    ...over.map(endText),
    ...named.map((notice) => noticeText(notice, console)),
    ...(more.length === 0 ? [] : [moreText(more, console)]),
  ]
  return lines.length === 1 ? `${NAME}: ${lines[0]}` : [`${NAME}:`, ...lines.map((line) => `- ${line}`)].join('\n')
}

/** The text of a test. */
export function testText(console: ConsoleUrl): string {
  const where = console === null ? '' : ` The console is at ${console}`
  return `${NAME}: this is a test notification. You don’t need to do anything.${where}`
}

function noticeText(notice: NoticeRow, console: ConsoleUrl): string {
  switch (notice.kind) {
    case 'withdrawal':
      return withdrawalText(notice, console)
    case 'lms':
      return lmsText(notice)
    case 'events':
      return eventsText(notice, console)
    default:
      return deliveryText(notice, console)
  }
}

function deliveryText({ code, subject, count, texts }: NoticeRow, console: ConsoleUrl): string {
  const reason = REASON_CODES.find((one) => one === code) ?? 'row.unreadable'
  const state = REASONS[reason].state
  const number = `${count}${texts === 0 ? '' : ' more'}`
  const one = count === 1
  const what =
    state === 'rejected'
      ? `${number} ${one ? 'delivery was' : 'deliveries were'} rejected`
      : `${number} ${one ? 'delivery needs' : 'deliveries need'} attention`
  // A course key holds no personal data: another text would have been rejected as malformed.
  const isAboutCourse = REASONS[reason].subject === 'course_key'
  const why =
    isAboutCourse || subject === '' ? reasonOfMany(reason, subject) : `${reasonOfMany(reason, '')} in ${subject}`
  return `${what}: ${why}. ${listText({ state, cause: reason, about: subject }, console)}`
}

/** Where the deliveries of a cause are listed. An empty text is no condition. */
function listText(list: { state: DeliveryState; cause: string; about: string }, console: ConsoleUrl): string {
  const { state, about } = list
  const given = new URLSearchParams(Object.entries(list).filter(([, value]) => value !== ''))
  const course = about === '' ? '' : ` --course ${about}`
  return seeText(`deliveries?${given}`, `deliveries list${course} --state ${state}`, console)
}

function withdrawalText({ subject, count }: NoticeRow, console: ConsoleUrl): string {
  if (subject === '') {
    const more = `${count} more ${count === 1 ? 'withdrawal' : 'withdrawals'} failed.`
    return `${more} ${seeText('changes', 'deliveries list', console)}`
  }
  const what = 'a withdrawal failed, and the buyer may still be in a course.'
  return `${what} ${seeText(`deliveries/${subject}`, `deliveries show ${subject}`, console)}`
}

function lmsText({ code, first_at: since, detail }: NoticeRow): string {
  const what =
    code === 'misconfigured' ? 'the connection to the LMS has been misconfigured' : 'the LMS has been unavailable'
  return `${what} since ${timeText(since)}. ${quiet(detail)}. Deliveries are stored and wait.`
}

function eventsText({ code, first_at: since, detail }: NoticeRow, console: ConsoleUrl): string {
  const where = seeText('events', 'events list', console)
  if (code === 'gone') {
    return `the shop’s endpoint answered 410 Gone: it wants no more events. Nothing is sent until you send again. ${where}`
  }
  const last = detail === '' ? '' : ` Last error: ${quiet(detail)}.`
  if (code === 'given_up') {
    return `an event for the shop was given up after three days.${last} Find out why the shop refuses it, then send again. ${where}`
  }
  return `events have been waiting for the shop’s endpoint since ${timeText(since)}.${last} ${where}`
}

const endText = ({ kind }: NoticeRow): string =>
  kind === 'lms'
    ? 'the LMS is available again, and queued deliveries are retried.'
    : 'events no longer wait long for the shop’s endpoint.'

function moreText(more: readonly NoticeRow[], console: ConsoleUrl): string {
  const deliveries = more.reduce((sum, { kind, count }) => sum + (kind === 'delivery' ? count : 0), 0)
  const causes = `and ${more.length} more ${more.length === 1 ? 'cause' : 'causes'}`
  const of = deliveries === 0 ? '' : ` with ${deliveries} ${deliveries === 1 ? 'delivery' : 'deliveries'}`
  return `${causes}${of}. ${listText({ state: 'needs_attention', cause: '', about: '' }, console)}`
}

const seeText = (path: string, command: string, console: ConsoleUrl): string =>
  console === null ? `See: ${NAME} ${command}` : `See ${console}${path}`

const timeText = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** What the shop’s endpoint or the LMS chose: without personal data, and without what a chat takes for a command. */
const quiet = (text: string): string =>
  String(sanitize(text))
    .replaceAll(/[\p{Cc}\p{Cf}<>@]+/gu, ' ')
    .trim()
