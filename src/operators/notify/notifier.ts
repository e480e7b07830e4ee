import type { NoticeRow } from '../../database/schema.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/loop.ts'
import { countNew, ended, forgetFaults, forgetQuiet, isUntold, noteFaults, readNotices, storeTold } from './notices.ts'
import type { PostedText, PostText } from './post-text.ts'
import { type ConsoleUrl, type News, newsText } from './words.ts'

/** All in ms. The first text about a cause comes within `lagMs` + `lookMs` + `gapMs` of it: within a minute. */
export interface NotifyTiming {
  /** From one look for causes to the next. */
  readonly lookMs: number
  /** How far behind a look stays: longer than a transaction takes. See countNew. */
  readonly lagMs: number
  /** The least time between two texts, which gathers the causes of a storm. */
  readonly gapMs: number
}
export const NOTIFY_TIMING: NotifyTiming = { lookMs: 10_000, lagMs: 20_000, gapMs: 20_000 }

/** After a text that did not arrive, the pause doubles from the first to the longest one, ms. */
const FIRST_PAUSE_MS = 30_000
const LONGEST_PAUSE_MS = 15 * 60_000

/** One attempt to send a text. `retryInMs` is null if it arrived. */
export interface Notified {
  readonly posted: PostedText
  readonly causes: number
  readonly retryInMs: number | null
}

interface NotifierOptions extends Pick<AppContext, 'context' | 'guard' | 'signal'> {
  /** Whether this replica does what is done once for all. */
  readonly isLeader: () => boolean
  readonly post: PostText
  readonly console: ConsoleUrl
  /** Asks the LMS whether the cause of an outage is gone. */
  readonly isLmsBack: (kind: 'down' | 'misconfigured') => Promise<boolean>
  readonly onNotified: (notified: Notified) => void
  readonly timing: NotifyTiming
  /** The monotonic clock, ms. */
  readonly clock: () => number
}

/** What only the replica that sends knows. Another one that takes over can do without it. */
interface Sender {
  failures: number
  /** No text is sent before this time of the monotonic clock, ms. */
  pausedUntil: number
}

/**
 * Looks for what operators have to act on, and sends texts about it, until the signal is aborted. Nothing waits for it: a
 * receiver that fails holds up only the texts.
 */
export async function runNotifier(from: NotifierOptions & Background): Promise<void> {
  const { lookMs } = from.timing
  const look = createNotifier(from)
  const round = async (): Promise<number> => {
    await look()
    return lookMs
  }
  await runBackgroundLoop({ ...from, round, againMs: lookMs })
}

/**
 * Tells operators, in texts, what they have to act on. The leader among the replicas looks every 10 seconds. What was told
 * is stored, so another replica continues after it dies. A text may come twice if the process dies or stops leading, or the
 * database fails, after the receiver accepted it and before that is stored. Nothing is told never.
 * @returns a function that looks once; it throws what the database throws
 */
export function createNotifier(from: NotifierOptions): () => Promise<void> {
  const { context, guard, isLeader, timing, clock } = from
  const { database, now, hasOutbox } = context
  const sender: Sender = { failures: 0, pausedUntil: Number.NEGATIVE_INFINITY }
  return async () => {
    if (!isLeader()) return
    await guard(() => countNew(context, now() - timing.lagMs))
    await guard(() => noteFaults(database.db, { at: now(), hasOutbox }))
    if (clock() < sender.pausedUntil) return
    const news = await readNews(from)
    if (news.notices.length + news.over.length > 0 && isLeader()) await send(from, sender, news)
  }
}

/** What has to be told now. Forgets what needs no text any more. */
async function readNews({ context, guard, isLmsBack }: NotifierOptions): Promise<News> {
  const { db } = context.database
  const now = context.now()
  await guard(() => forgetQuiet(db, now))
  const all = await guard(() => readNotices(db))
  const over: NoticeRow[] = []
  for (const fault of ended(all, now)) {
    // No replica sees the outage any more, but perhaps only because none of them calls the LMS.
    const isOver = fault.kind !== 'lms' || (await isLmsBack(fault.code === 'misconfigured' ? 'misconfigured' : 'down'))
    if (isOver) over.push(fault)
  }
  const untold = over.filter(({ sent_at }) => sent_at === null)
  await guard(() => forgetFaults(db, untold))
  return {
    notices: all.filter((notice) => !over.includes(notice) && isUntold(notice, now)),
    over: over.filter(({ sent_at }) => sent_at !== null),
  }
}

async function send(from: NotifierOptions, sender: Sender, news: News): Promise<void> {
  const { context, guard, post, console, onNotified, timing, clock, signal } = from
  const { db } = context.database
  const posted = await post(newsText(news, console), signal)
  sender.failures = posted.ok ? 0 : sender.failures + 1
  const retryInMs = posted.ok ? null : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (sender.failures - 1))
  sender.pausedUntil = clock() + (retryInMs ?? timing.gapMs)
  if (!signal.aborted) onNotified({ posted, causes: news.notices.length + news.over.length, retryInMs })
  if (!posted.ok) return
  await guard(() => storeTold(db, { told: news.notices, at: context.now() }))
  await guard(() => forgetFaults(db, news.over))
}
