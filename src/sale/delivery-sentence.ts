import { isSameCourse } from './course-key.ts'
import { type CourseLine, courseLines, isWanted, isWithdrawing, type Standing } from './line.ts'
import {
  courseOfReason,
  type Delivery,
  type DeliveryState,
  type HandledAs,
  isDone,
  type Reason,
  type ReasonCode,
} from './types.ts'
import { type Fact, keptFacts, leavesIn, openFacts, type Piece, takenFact, whoOf } from './withdrawal-facts.ts'
import { reasonShort, STANDING_TEXTS } from './words.ts'

/** Who marked a delivery as handled, and how. `at`: ms since 1970. */
export interface ToldNote {
  readonly note: string
  readonly by: string | null
  readonly at: number
}

/** All that decides what is true of a delivery now. */
export interface Told extends Pick<Delivery, 'state' | 'reason' | 'lines' | 'doneAt' | 'replacedBy' | 'handledAs'> {
  /** The latest note, of a delivery that an operator marked as handled. */
  readonly handled: ToldNote | null
}

/**
 * What a reply to the buyer depends on:
 * - `partly_enrolled`: in some of the courses; the buyer was taken out of the others, or never got into them.
 * - `not_activated`, `not_registered`: an allowance waits for the account. Before the first check, `not_registered`.
 * - `lost`: reported as enrolled, and the LMS no longer has it.
 */
export type Situation =
  | Exclude<DeliveryState, 'pre_enrolled'>
  | 'partly_enrolled'
  | 'not_registered'
  | 'not_activated'
  | 'lost'

/** What is true of a delivery, in one or two sentences, the same for everybody who is told. */
export interface DeliverySentence {
  readonly situation: Situation
  /** What is the case now. */
  readonly fact: readonly Piece[]
  /** What follows from it; '' if nothing does. */
  readonly next: string
  /**
   * The courses that the situation is about: those that the buyer is in, or waits for, or lost, without those that are
   * being withdrawn; else all.
   */
  readonly courses: readonly string[]
  /** The courses that the buyer is in. */
  readonly inside: readonly string[]
  /** Whether the buyer's account has another address by now. */
  readonly isMoved: boolean
  /** Why the LMS enrolls the address no more, of a buyer who has lost the courses; null if a replay can help. */
  readonly unusable: ReasonCode | null
}

/**
 * Makes the sentence about a delivery from its outcome by course, what the last check found, withdrawals, and what
 * operators did. Pages, lists, replies and the command line all use it, so that they can't contradict one another.
 */
export function deliverySentence(told: Told): DeliverySentence {
  const { state, reason } = told
  const lines = courseLines(told)
  const left = told.lines.filter(isWanted).map(({ course }) => course)
  const inside = coursesOf(having(lines, 'in'))
  const going = isDone(state) ? told.lines.filter(isWithdrawing).map(({ course }) => course) : []
  const [open, kept] = [openFacts(told), keptFacts(told)]
  // While an order is open, or if it has failed, what would follow otherwise is untrue.
  const nextAfter = (next: string): string => (kept.length > 0 ? WITHDRAW_AGAIN : open.length > 0 ? '' : next)
  const tell = ({ situation, facts, next = '', courses, unusable = null }: Telling): DeliverySentence => ({
    situation,
    fact: joined([...facts, ...open, ...kept]),
    next: isDone(state) ? nextAfter(next) : next,
    courses: (courses ?? coursesOf(lines)).filter((course) => !going.includes(course)),
    inside,
    isMoved: told.lines.some(({ standing }) => standing?.moved),
    unusable,
  })
  switch (state) {
    case 'queued':
      return tell({
        situation: state,
        facts: [[reason === null ? undecided(told) : reasonShort(reason)], ...partFacts(lines, BUYER)],
        next: 'The service is attempting the delivery, or retries it automatically.',
        courses: left.filter((course) => !inside.includes(course)),
      })
    case 'needs_attention':
    case 'rejected':
      return tell({
        situation: state,
        facts: [[reason === null ? 'Not enrolled.' : reasonShort(reason)], ...partFacts(lines, BUYER, reason)],
        ...(left.length === 0 ? {} : { courses: left }),
      })
    case 'handled':
      return tell({
        situation: state,
        facts: [handledFact(told), ...partFacts(lines, BUYER)],
        ...(left.length === 0 ? {} : { courses: left }),
      })
    case 'withdrawn':
      return tell({
        situation: state,
        facts: [...(told.replacedBy !== null ? [['Replaced by a correction.']] : []), ...withdrawnFacts(lines, told)],
        next: 'The service no longer attempts it.',
        courses: coursesOf(outOf(lines)),
      })
    case 'enrolled':
      return tell(enrolledOf(lines))
    case 'pre_enrolled':
      return tell(waitingOf(lines))
  }
}

/**
 * Returns the sentence as one text.
 * @param write how to write a time (ms since 1970)
 */
export function sentenceText({ fact, next }: DeliverySentence, write: (at: number) => string): string {
  const text = fact.map((piece) => (typeof piece === 'string' ? piece : write(piece.at))).join('')
  return text + nextText({ fact, next })
}

/** What follows the fact, with what separates them. A fact that isn't a whole sentence continues after a colon. */
export function nextText({ fact, next }: Pick<DeliverySentence, 'fact' | 'next'>): string {
  if (next === '') return ''
  return isWhole(fact) ? ` ${next}` : `: ${next.charAt(0).toLowerCase()}${next.slice(1)}`
}

/** Whether a fact is a whole sentence. */
function isWhole(fact: readonly Piece[]): boolean {
  const last = fact.at(-1)
  return typeof last === 'string' && last.endsWith('.')
}

interface Telling {
  readonly situation: Situation
  readonly facts: readonly Fact[]
  readonly next?: string
  readonly courses?: readonly string[]
  readonly unusable?: ReasonCode | null
}

const joined = (facts: readonly Fact[]): Piece[] =>
  facts.flatMap((fact, index) => {
    const before = facts[index - 1]
    return before === undefined ? [...fact] : [isWhole(before) ? ' ' : '. ', ...fact]
  })

const having = (lines: readonly CourseLine[], is: CourseLine['is']): CourseLine[] =>
  lines.filter((line) => line.is === is)
const coursesOf = (lines: readonly CourseLine[]): string[] => lines.map(({ course }) => course)

function enrolledOf(lines: readonly CourseLine[]): Telling {
  const inside = having(lines, 'in')
  if (inside.length === lines.length) {
    return {
      situation: 'enrolled',
      facts: [[`In ${countText(lines.length, lines.length)}.`]],
      next: 'You don’t need to do anything.',
    }
  }
  const next = lines.some(({ endedAt }) => endedAt !== null) ? NOT_AGAIN : ''
  const facts = partFacts(lines)
  const gone = having(lines, 'lost')
  if (inside.length > 0 || gone.length === 0) {
    return { situation: 'partly_enrolled', facts, next, courses: coursesOf(inside) }
  }
  const [unusable = null] = lines.flatMap(({ standing }) => OF_ADDRESS[standing ?? 'missing'] ?? [])
  const lost = { situation: 'lost', facts, courses: coursesOf(gone), unusable } as const
  return { ...lost, next: unusable === null ? next : NEVER_AGAIN }
}

/** What is found in a course, and is true of the address, so of all its courses. */
const OF_ADDRESS: Partial<Record<Standing, ReasonCode>> = {
  retired: 'person.retired',
  other_account: 'person.other_account',
}

const NEVER_AGAIN = 'A replay can’t enroll this address. Ask the buyer for another one, and correct the delivery.'
const WITHDRAW_AGAIN = 'Withdraw the delivery again, or take the buyer out in the LMS and mark the delivery as handled.'
const NOT_AGAIN = 'The service enrolls the buyer again only if you replay the delivery or the shop repeats the sale.'

const ACTIVATES = 'The enrollment takes effect when the buyer activates the account.'
const REGISTERS = 'The enrollment takes effect when the buyer registers with this address and activates the account.'

/** A buyer who is known to have registered is not told to register. */
function waitingOf(lines: readonly CourseLine[]): Telling {
  const waiting = having(lines, 'waits')
  if (waiting.length === 0) return enrolledOf(lines)
  const [situation, fact, next] = waiting.some(({ standing }) => standing === 'not_activated')
    ? (['not_activated', 'Registered, not activated', ACTIVATES] as const)
    : waiting.some(({ standing }) => standing === 'no_account')
      ? (['not_registered', 'Not registered yet', REGISTERS] as const)
      : (['not_registered', 'Waits for the buyer’s account', REGISTERS] as const)
  return { situation, facts: [...partFacts(lines), [fact]], next, courses: coursesOf(waiting) }
}

/** What is known of a delivery that has no result. One that came again may have all of its courses. */
const undecided = ({ doneAt }: Told): string =>
  doneAt === null ? 'Not enrolled yet.' : 'Enrolled or pre-enrolled before, and not confirmed again yet.'

/** Who is in the courses, after a sentence that is about something else: a number alone would seem to belong to that. */
const BUYER = 'The buyer is in'

/** Whether a reason, which is told before, already says what was found in a course. */
function isSaid({ course, standing, endedAt }: CourseLine, reason: Reason): boolean {
  const about = courseOfReason(reason)
  const isAbout = about !== null && isSameCourse(about, course)
  return endedAt === null && (isAbout || OF_ADDRESS[standing ?? 'missing'] === reason.code)
}

/**
 * In how many of the courses the buyer is, if that is not what the state says, and what happened to the others.
 * @param told the reason that is told before; null: none
 */
function partFacts(lines: readonly CourseLine[], inside = 'In', told: Reason | null = null): Fact[] {
  const count = having(lines, 'in').length
  const news = having(lines, 'lost').filter((line) => told === null || !isSaid(line, told))
  const lost = news.map(({ course, standing, since, endedAt }): Fact => {
    if (endedAt !== null) return [`Access ended in ${course} (${whyEnded(standing)}), found `, { at: endedAt }, '.']
    const found = standing === null ? 'not found in the LMS' : STANDING_TEXTS[standing].fact
    return [`${course}: ${found} since `, { at: since }, '.']
  })
  const taken = lines.flatMap(takenFacts)
  if (count === 0) return [...lost, ...taken]
  return [[`${inside} ${countText(count, lines.length)}.`], ...lost, ...taken]
}

/** Once ended, it stays so for this sale, also if another one enrolls the buyer. */
const whyEnded = (standing: Standing | null): string =>
  standing === null || standing === 'enrolled' ? 'another sale enrolled the buyer again' : STANDING_TEXTS[standing].fact

const countText = (count: number, all: number): string => {
  if (count < all) return `${count} of ${all} courses`
  return all === 1 ? 'the course' : all === 2 ? 'both courses' : `all ${all} courses`
}

/** Who took the buyer out of a course, and what has it now; none if nobody did. */
const takenFacts = (line: CourseLine): Fact[] =>
  line.taken === null ? [] : [takenFact(line.course, line.taken), ...backFacts(line)]

/** That a look since then has found the buyer in the course again: staff may have put them back, or a later sale. */
const backFacts = ({ course, taken, standing }: CourseLine): Fact[] =>
  taken === null || leavesIn(taken) || standing !== 'enrolled' ? [] : [[`The buyer is in ${course} again.`]]

/** The courses that the buyer was taken out of, of a withdrawn delivery; all if nothing is known of any. */
function outOf(lines: readonly CourseLine[]): readonly CourseLine[] {
  if (lines.every(({ taken }) => taken === null)) return lines
  return lines.filter(({ taken }) => taken !== null && !leavesIn(taken))
}

function withdrawnFacts(lines: readonly CourseLine[], { replacedBy }: Pick<Told, 'replacedBy'>): Fact[] {
  const taken = lines.flatMap(({ taken: order }) => order ?? [])
  const [first] = taken
  if (first === undefined) return [['Taken out of every course.']]
  const other = replacedBy !== null ? 'went to the delivery that replaces this one' : 'was never enrolled'
  if (outOf(lines).length < lines.length)
    return lines.flatMap((line) => (line.taken === null ? [[`${line.course} ${other}.`]] : takenFacts(line)))
  if (taken.every(({ id }) => id === first.id))
    return [
      [`Taken out of every course ${whoOf(first)} at `, { at: first.endedAt ?? 0 }, '.'],
      ...lines.flatMap(backFacts),
    ]
  return [['Taken out of every course.'], ...lines.flatMap(takenFacts)]
}

/** How the note begins that a correction leaves on the delivery that it replaces. */
export const REPLACED = 'replaced by '

/** How a sale was handled, after the note and before who did it. */
const HANDLED_WORDS = { settled: 'settled in another way', paid_back: 'paid back' } as const satisfies Record<
  HandledAs,
  string
>

function handledFact({ handled, handledAs, replacedBy, lines }: Told): Fact {
  const isReplaced = replacedBy !== null
  if (handled === null) {
    const [order] = lines.flatMap(({ withdrawal }) => withdrawal ?? []).sort((a, b) => b.requestedAt - a.requestedAt)
    if (order !== undefined)
      return [`Stopped by a withdrawal ${whoOf(order)}${isReplaced ? ', and replaced by another delivery' : ''}.`]
    return [isReplaced ? 'Replaced by a correction.' : 'Handled by other means.']
  }
  const by = handled.by === null ? '' : ` by ${handled.by}`
  if (isReplaced && handled.note.startsWith(REPLACED))
    return [`Replaced by a correction${by} at `, { at: handled.at }, '.']
  // The note comes first, because a list cuts what is long.
  const words = handledAs === null ? (handled.note === '' ? 'handled' : 'noted') : HANDLED_WORDS[handledAs]
  const told = handled.note === '' ? words.charAt(0).toUpperCase() + words.slice(1) : `“${handled.note}”, ${words}`
  return [`${told}${by} at `, { at: handled.at }, '.']
}
