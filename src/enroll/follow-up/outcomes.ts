import {
  type Certificate,
  certificateCanNameUser,
  GRADES,
  type Grade,
  groupsForGrades,
} from '../../lms/apis/achievements.ts'
import { listCanNameUser } from '../../lms/apis/people-lists.ts'
import type { Judged } from '../../lms/client/failure.ts'
import { type Achievement, type LmsAccount, lineOf } from '../../sale/line.ts'
import { learners, sinceLastRound } from './enrolled.ts'
import { makeRound, type Round, type RoundOptions, type RoundResult } from './follow-up.ts'
import type { Reported, Sought } from './reported.ts'
import { type Fact, newsOf, storeFacts } from './store-facts.ts'

const WEEK_MS = 7 * 24 * 3_600_000
/** A browser takes no longer one. */
const URL_MAX = 2000

interface OutcomesOptions extends RoundOptions {
  /** Whether the shop gets the percentage: LERNITO_OUTCOMES is `grades`. */
  readonly tellsPercent: boolean
  /** Where browsers reach the LMS: it gives the address of a certificate as a path. */
  readonly lmsUrl: string
}

/** A buyer in one course of a delivery, by true course key. */
interface Learner {
  readonly reported: Reported
  readonly course: string
  readonly account: LmsAccount
  readonly known: Achievement | null
}

/**
 * Asks the LMS who of the enrolled buyers has passed and has a certificate, for the sales that became due since the last
 * round that came to its end: the grades of those who had not passed once a day, 50 people a call, and the certificates of
 * those who have once a week, and daily in the first week until there is one. What was not known is stored together with
 * its event for the shop. A round that stops begins again with the same sales; those of a call that fails for them alone
 * wait for their next day.
 */
export const outcomesRound = (options: OutcomesOptions): Promise<RoundResult> =>
  sinceLastRound(options, 'outcomes', (due) =>
    makeRound(options, { round: 'outcomes', local: LOCAL }, (steps) => askAll({ ...options, ...steps }, due)),
  )

/** The grades of many people take the LMS long, so a call that it doesn't answer in time may be about one course. */
const LOCAL = ['server_error', 'refused', 'unreachable'] as const

type OutcomesRound = Round & OutcomesOptions

async function askAll(round: OutcomesRound, due: { from: number; to: number }): Promise<void> {
  const { looked } = round
  const waiting = new Map<string, Waiting>()
  for await (const sales of learners(round, due)) {
    looked(sales.length)
    for (const { isWeekly, ...sale } of sales) {
      for (const learner of learnersOf(sale)) {
        const { course, known } = learner
        if (known === null) {
          const inCourse = waiting.get(course) ?? { people: [], atOnce: GRADES }
          inCourse.people.push(learner)
          waiting.set(course, inCourse)
        } else if (isWeekly || isAwaited(known, due.to)) await askForCertificate(round, learner)
      }
    }
    await askForGrades(round, waiting, GRADES)
  }
  await askForGrades(round, waiting, 1)
}

/** Those of a course who have not passed, and how many of them are asked about in a call. */
interface Waiting {
  readonly people: Learner[]
  atOnce: number
}

/**
 * Makes a call about one person when it may be made; null if it fails.
 * @param course the course that it is about: the cause may be in there, unless no answer comes
 */
async function asked<T>({ asking, note }: Round, call: () => Promise<Judged<T>>, course?: string): Promise<T | null> {
  await asking.beforeCall()
  const judged = await call()
  note(judged, judged.ok || judged.failure.kind === 'unreachable' ? undefined : course)
  return judged.ok ? judged.value : null
}

/** The courses of a delivery that its buyer still has, and of which the account is known. */
function learnersOf({ reported, courses }: Sought): Learner[] {
  return courses.flatMap((course) => {
    const { account = null, standing = null, achievement = null } = lineOf(reported.lines, course) ?? {}
    if (account === null || standing?.endedAt !== undefined) return []
    return [{ reported, course, account, known: achievement }]
  })
}

/** A certificate is mostly made within minutes of the grade, so after a week without one there may never be any. */
const isAwaited = ({ passedAt, certificate }: Achievement, at: number): boolean =>
  certificate === undefined && at - passedAt < WEEK_MS

/**
 * Asks for the grades of the courses in which at least `least` people wait, in calls that are full if there are more. Where
 * the LMS doesn't answer, because it computes each section of a large course for each person, the next calls of the course
 * have half the people. If they keep failing, all who are left wait for the next day.
 */
async function askForGrades(round: OutcomesRound, waiting: ReadonlyMap<string, Waiting>, least: number): Promise<void> {
  for (const [course, inCourse] of waiting) {
    const { people } = inCourse
    while (people.length >= least) {
      if (round.isFailing(course)) {
        people.length = 0
        break
      }
      const some = people.splice(0, inCourse.atOnce)
      const grades = await gradesIn(round, course, [...new Set(some.map(({ account }) => account.username))])
      if (grades === null) {
        people.unshift(...some)
        inCourse.atOnce = Math.ceil(inCourse.atOnce / 2)
        continue
      }
      const passed = some.flatMap((learner) => {
        const grade = grades.get(learner.account.username)
        if (!grade?.passed) return []
        return [{ learner, fact: { kind: 'passed', percent: round.tellsPercent ? grade.percent : null } as const }]
      })
      await store(round, passed)
      const at = round.context.now()
      for (const { learner } of passed) await askForCertificate(round, { ...learner, known: { passedAt: at } })
    }
  }
}

/** Without those whose grade the LMS does not tell; null if it gives no answer about so many at once. */
async function gradesIn(
  round: Round,
  course: string,
  usernames: readonly string[],
): Promise<ReadonlyMap<string, Grade> | null> {
  const { asking, note } = round
  const { lms } = asking
  const grades = new Map<string, Grade>()
  for (const group of groupsForGrades({ course, usernames: usernames.filter(listCanNameUser) })) {
    await asking.beforeCall()
    const found = await lms.grades({ course, usernames: group })
    note(found, course)
    if (!found.ok && found.failure.kind === 'unreachable') return null
    for (const [username, grade] of found.ok ? found.value : []) grades.set(username, grade)
  }
  for (const username of usernames.filter((name) => !listCanNameUser(name))) {
    const grade = await asked(round, () => lms.grade({ course, username }), course)
    if (grade !== null) grades.set(username, grade)
  }
  return grades
}

async function askForCertificate(round: OutcomesRound, learner: Learner): Promise<void> {
  const { course, account, known } = learner
  if (!certificateCanNameUser(account.username)) return
  const { username } = account
  const found = await asked(round, () => round.asking.lms.certificate({ course, username }), course)
  const fact = found === null ? null : factOf(found, round.lmsUrl)
  if (fact === null || newsOf({ known, fact, at: round.context.now() }) === null) return
  if (found?.status === 'issued' && !(await isShown(round, learner))) return
  if (found?.status === 'none' && !(await wouldHaveIt(round, learner))) return
  await store(round, [{ learner, fact }])
}

/** Whether the person can see the certificate, whose page says until then that there is none. */
async function isShown(round: Round, { course, account: { username } }: Learner): Promise<boolean> {
  const shown = await asked(round, () => round.asking.lms.shownCertificates({ username }))
  return shown?.has(course) ?? false
}

/**
 * Whether the LMS would have the certificate if it were not revoked: not for the user name of an account that was retired,
 * nor in a course that was deleted.
 */
async function wouldHaveIt(round: Round, { course, account }: Learner): Promise<boolean> {
  const found = await asked(round, () => round.asking.lms.accountById(account))
  if (found?.status !== 'registered') return false
  return (await asked(round, () => round.asking.lms.course(course))) !== null
}

/** What a certificate says; null: nothing. */
function factOf(found: Certificate, lmsUrl: string): Fact | null {
  if (found.status === 'unclear') return null
  if (found.status !== 'issued') return { kind: 'no_certificate' }
  return { kind: 'certificate', url: addressOf(found.url, lmsUrl), createdAt: found.createdAt }
}

/** The whole address of a certificate; null for what no browser opens. */
function addressOf(url: string | null, lmsUrl: string): string | null {
  if (url === null || url === '' || !URL.canParse(url, lmsUrl)) return null
  const { protocol, href } = new URL(url, lmsUrl)
  return /^https?:$/.test(protocol) && href.length <= URL_MAX ? href : null
}

async function store({ context, guard }: Round, found: readonly { learner: Learner; fact: Fact }[]): Promise<void> {
  if (found.length === 0) return
  const facts = found.map(({ learner: { reported, course }, fact }) => ({ reported, course, fact }))
  await guard(() => storeFacts(context, facts))
}
