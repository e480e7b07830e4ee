import { courseIdentity, hasCourse, isSameCourse } from './course-key.ts'
import standings from './standings.json' with { type: 'json' }

export type CourseResult = 'enrolled' | 'allowed'

/**
 * What the LMS has for the buyer in one course:
 * - `enrolled`: an active enrollment.
 * - `no_account`: nobody has registered with the address; the allowance waits.
 * - `not_activated`: the account exists and has no enrollment; the buyer has to activate it.
 * - `unenrolled`: an inactive enrollment. The buyer was unenrolled.
 * - `missing`: no enrollment, and nothing that will make one: the account is active, or there is no allowance.
 * - `retired`: the buyer had the account deleted.
 * - `other_account`: the LMS matches the address to an account with another address.
 */
export type Standing = keyof typeof standings
const isStanding = (text: string): text is Standing => Object.hasOwn(standings, text)
export const STANDINGS: readonly Standing[] = Object.keys(standings).filter(isStanding)

/** A standing as the last check found it. Times are ms since 1970. */
export interface CourseStanding {
  readonly standing: Standing
  /** The course mode, if there is an enrollment. */
  readonly mode: string | null
  readonly checkedAt: number
  /** When a check first found this standing: no later one found another. */
  readonly since: number
  /**
   * When a check found that the buyer has lost a course that was enrolled here, and nobody here took them out. Absent
   * while they have it.
   */
  readonly endedAt?: number
  /** The account that the course was given to has another address in the LMS by now. */
  readonly moved?: true
}

/** An account of the LMS: its number, which stays when the address or the username changes, and its username. */
export interface LmsAccount {
  readonly id: number
  readonly username: string
}

/** Of a certificate, as the shop was told. It is revoked if the LMS shows it no more as one that the learner has. */
export type CertificateStatus = 'issued' | 'revoked'

/** What a buyer has achieved in one course, as the shop was told. */
export interface Achievement {
  /** When a round found that the buyer has passed, ms since 1970. A grade that falls later changes nothing. */
  readonly passedAt: number
  /** The grade then, in percent. Absent unless LERNITO_OUTCOMES is `grades`. */
  readonly percent?: number
  /** Absent: none was ever issued. */
  readonly certificate?: {
    readonly status: CertificateStatus
    /** Where it can be seen; null if it was revoked, or if the LMS gives no address. */
    readonly url: string | null
    /** When the LMS created it, ms since 1970. */
    readonly createdAt: number
  }
}

/**
 * What came of taking a buyer out of a course again:
 * - `unenrolled`: there was an active enrollment, in `mode`.
 * - `disallowed`: there was only an allowance.
 * - `nothing`: there was neither; or another sale keeps the course: delivery `keptBy`.
 * - `had_before`: the buyer had it before the sale, and keeps it, in `mode` if the order has put that back. See Line.gave.
 * - `kept`: nothing was changed; `why` gives the reason. The order has failed in this course.
 */
export interface CourseWithdrawal {
  readonly kind: 'unenrolled' | 'disallowed' | 'nothing' | 'had_before' | 'kept'
  readonly mode: string | null
  readonly why: string
  readonly keptBy?: string
  /** The account that the course was given to had another address by then. */
  readonly moved?: true
}

/**
 * An order to take the buyer out of the course of a line again, by an operator or by a refund of the shop. Lines that were
 * ordered together have the same `id`, and are attempted together. Times are ms since 1970.
 */
export interface LineWithdrawal {
  readonly id: string
  /** Whether it includes paid course modes. */
  readonly paid: boolean
  /** Whether it includes what the buyer had before the sale: see Line.gave. */
  readonly hadBefore: boolean
  readonly by: string
  /** Whether the shop has ordered it, by a refund: this one, or one in whose place it came. */
  readonly isRefund: boolean
  readonly requestedAt: number
  /** The next attempt; null if it has ended. */
  readonly dueAt: number | null
  readonly endedAt: number | null
  /** Failed attempts. */
  readonly attempts: number
  /** A call that takes the buyer out of this course was about to be made, or was: only its result tells what came of it. */
  readonly called: boolean
  /** What came of it in this course so far; null: nothing. */
  readonly result: CourseWithdrawal | null
  /** Why the last attempt failed, why the order waits, or why it ended early; '' if it did nothing of this. */
  readonly message: string
}

/**
 * A course that the buyer still has after it was refunded or withdrawn: another sale, `delivery`, includes it, or they had it
 * before the sale that was taken back.
 */
export type KeptCourse =
  | { readonly course: string; readonly reason: 'sale'; readonly delivery: string }
  | { readonly course: string; readonly reason: 'had_before' }

/** One course of a delivery, and what is known of the buyer there. A delivery has a line for each course that it names. */
export interface Line {
  /** The key as the shop sent it. */
  readonly sent: string
  /** The key as the LMS spells it; as the shop sent it until that is known. */
  readonly course: string
  /** What the delivery reported; null if nothing is done. */
  readonly result: CourseResult | null
  /** What the last check since the last result found; null if there was none. */
  readonly standing: CourseStanding | null
  /**
   * The account that the course was given to. It stays the buyer's when it gets another address in the LMS. null if none is
   * known: the buyer is whoever has the address, because until then nobody has the course.
   */
  readonly account: LmsAccount | null
  /**
   * Whether a call of unknown effect has named this account, and no answer and no look has told what came of it: the account
   * may have the course, wherever its address goes. It is stored before the call.
   */
  readonly named: boolean
  /**
   * Whether this service gave the buyer what the LMS has in the course: a call of a sale made it, or may have. false: it was
   * there before the sale, so no refund takes it away. null: nothing was done here yet, or all of it was taken back.
   */
  readonly gave: boolean | null
  /** The course mode that the buyer had there before the sale raised it, which a refund puts back; null if it raised none. */
  readonly modeBefore: string | null
  /**
   * Whether a look has found this account in the course, for which the sale had made an allowance. Only the allowance tells
   * who has used it: the buyer may have left the address before the look, and its next owner may be in the course, too.
   */
  readonly claimed: boolean
  /** null if the buyer has not passed, as far as it is known. */
  readonly achievement: Achievement | null
  /** The newest order to take the buyer out of the course; null if there is none, or if the sale came again since. */
  readonly withdrawal: LineWithdrawal | null
}

/** A line of which nothing is known yet. */
export const newLine = (sent: string): Line => ({
  sent,
  course: sent,
  result: null,
  standing: null,
  account: null,
  named: false,
  gave: null,
  modeBefore: null,
  claimed: false,
  achievement: null,
  withdrawal: null,
})

/** Whether an attempt of a withdrawal has taken something away. */
export const hasTaken = (result: CourseWithdrawal | null): boolean =>
  result?.kind === 'unenrolled' || result?.kind === 'disallowed'

/** Whether an order has ended and left its course as it was, or ended early. */
export const hasFailed = ({ endedAt, message, result }: LineWithdrawal): boolean =>
  endedAt !== null && (message !== '' || result?.kind === 'kept')

/** Whether a withdrawal of the line is still to be carried out. */
export const isWithdrawing = ({ withdrawal }: Pick<Line, 'withdrawal'>): boolean => withdrawal?.endedAt === null

/** Whether the buyer of one of these lines was to be taken out of its course. */
export const hasOrder = ({ lines }: { readonly lines: readonly Line[] }): boolean =>
  lines.some(({ withdrawal }) => withdrawal !== null)

/**
 * Whether a withdrawal has taken the buyer out of the course. That it found nothing proves nothing if it failed later, because
 * an earlier call could still be carried out until then.
 */
export function isTakenOut({ withdrawal }: Pick<Line, 'withdrawal'>): boolean {
  const { endedAt = null, result = null, message = '' } = withdrawal ?? {}
  if (endedAt === null || result === null || result.kind === 'kept') return false
  return result.kind !== 'nothing' || result.why !== '' || message === ''
}

/** Whether a withdrawal has made a call that may have taken the buyer out of the course. */
export const mayHaveTaken = ({ withdrawal }: Pick<Line, 'withdrawal'>): boolean =>
  withdrawal?.called === true && withdrawal.result?.kind !== 'kept'

/**
 * Whether the delivery wants the course. A withdrawal is the newest statement about it, even if it failed; but not if it
 * left the course because the buyer paid for its mode.
 */
export const isWanted = ({ withdrawal }: Pick<Line, 'withdrawal'>): boolean =>
  withdrawal === null ||
  (withdrawal.endedAt !== null && withdrawal.result?.kind === 'kept' && withdrawal.result.mode !== null)

/** Those of these keys, as they were sent, whose course the delivery with these lines wants. */
export function wantedAmong(keys: readonly string[], lines: readonly Line[]): string[] {
  const unwanted = lines.filter((line) => !isWanted(line)).map(({ sent }) => sent)
  return keys.filter((key) => !hasCourse(unwanted, key))
}

/**
 * Whether a look has found the buyer in the course, but not in the mode that was sold: the delivery has started again to give
 * it. See startRepair.
 */
export const lacksMode = ({ result, standing }: Pick<Line, 'result' | 'standing'>): boolean =>
  result === null && standing?.standing === 'enrolled'

/** The first course that the buyer was taken out of, or is to be, as it was sent. */
export const firstWithdrawn = (lines: readonly Line[]): string | undefined =>
  lines.find((line) => isWithdrawing(line) || isTakenOut(line))?.sent

/** The line of a course, by any spelling of its key. */
export const lineOf = (lines: readonly Line[], course: string): Line | undefined =>
  lines.find((line) => line.course === course) ?? lines.find(({ sent }) => isSameCourse(sent, course))

/**
 * Whether the delivery with these lines has a course that an order of another one left to it, if only because whoever handled
 * it since left the buyer there.
 */
export function keeps(lines: readonly Line[], course: string): boolean {
  const line = lineOf(lines, course)
  return line !== undefined && !isWithdrawing(line) && !isTakenOut(line)
}

/** The courses with this result, by true course key. */
export const coursesWith = (result: CourseResult, lines: readonly Line[]): string[] =>
  lines.filter((line) => line.result === result).map(({ course }) => course)

/** What is done in each course, by true course key. */
export const resultsOf = (lines: readonly Line[]): Readonly<Record<string, CourseResult>> =>
  Object.fromEntries(lines.flatMap(({ course, result }) => (result === null ? [] : [[course, result]])))

/**
 * The lines after a change: `change` gets a line with what `facts` has for its course, and gives what is new.
 * @param facts by course, in any spelling; the line gets this spelling as its key
 * @throws Error for a fact about a course that no line has
 */
export function withFacts<Fact>(
  lines: readonly Line[],
  facts: Readonly<Record<string, Fact>>,
  change: (line: Line, fact: Fact | undefined) => Partial<Line>,
): readonly Line[] {
  const byCourse = new Map(Object.entries(facts).map(([key, fact]) => [courseIdentity(key), { key, fact }]))
  const changed = lines.map((line) => {
    const identity = courseIdentity(line.sent)
    const found = byCourse.get(identity)
    byCourse.delete(identity)
    return { ...line, ...(found === undefined ? {} : { course: found.key }), ...change(line, found?.fact) }
  })
  const [other] = byCourse.values()
  if (other !== undefined) throw new Error(`the delivery does not name the course ${other.key}`)
  return changed
}

/** What the buyer has in one course of a delivery. */
export interface CourseLine {
  readonly course: string
  /** `lost`: reported, and the LMS does not have it. `out`: not reported, or the buyer was taken out. */
  readonly is: 'in' | 'waits' | 'lost' | 'out'
  /** What the last check found; null: not checked. */
  readonly standing: Standing | null
  readonly since: number
  /** When a check found that the buyer has lost it; null if they have not. */
  readonly endedAt: number | null
  /** The withdrawal that took the buyer out, if one did. */
  readonly taken: LineWithdrawal | null
}

const WAITING: readonly (Standing | null)[] = [null, 'no_account', 'not_activated']

/** What the buyer has in each course of a delivery. */
export function courseLines({ lines }: { readonly lines: readonly Line[] }): CourseLine[] {
  return lines.map((one) => {
    const { course, result, standing: found } = one
    const { standing = null, since = 0, endedAt = null } = found ?? {}
    const line = { course, standing, since, endedAt, taken: null }
    if (result === null) return { ...line, is: 'out', taken: isTakenOut(one) ? one.withdrawal : null }
    // An order that is tried again for another course has taken this one already.
    if (isWithdrawing(one) && hasTaken(one.withdrawal?.result ?? null)) return { ...line, is: 'out' }
    if (endedAt !== null) return { ...line, is: 'lost' }
    if (standing === 'enrolled' || (result === 'enrolled' && standing === null)) return { ...line, is: 'in' }
    return { ...line, is: result === 'allowed' && WAITING.includes(standing) ? 'waits' : 'lost' }
  })
}
