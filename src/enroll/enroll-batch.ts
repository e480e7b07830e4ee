import type { BatchAnswer, PersonResult } from '../lms/apis/batch-answer.ts'
import { type Failure, isInDoubt, type Judged, mayStillLand } from '../lms/client/failure.ts'
import type { CallNote } from '../sale/types.ts'
import type { Batch } from './batches.ts'
import type { Route } from './choose-call.ts'
import { HAD } from './course-mode.ts'
import type { BatchContext } from './enroll-one-by-one.ts'
import { leaveOutOthers } from './leave-out-others.ts'
import type { PriorKnowledge } from './pair.ts'
import { byAccount, done, failed, record, recordAll, refused, sendSingly, type Work } from './work.ts'

type BatchRoute = Exclude<Route, { kind: 'single' }>

/**
 * Makes one call of bulk_enroll or enrollments/modify for a batch, and records the results in its works. A work without
 * a result stays open and is marked, so that it gets another call: singly, if the person needs more than a batch does,
 * and apart from the people who may have caused a failure. HTTP 200 isn't success: each person is judged, and if any
 * result has `error`, the answer proves nothing (after a database deadlock, the LMS answers 200 and has rolled everything
 * back).
 * @param of.waiting the works that are in no call
 * @param of.newId makes the id of the batch, which the LMS's audit and the timelines of its deliveries name
 */
export async function enrollInBatch({
  route,
  waiting,
  newId,
  ...context
}: BatchContext & { route: BatchRoute; waiting: readonly Work[]; newId: () => string }): Promise<void> {
  const { lms, breakers, isUp, options } = context
  const known = route.kind === 'bulk' ? await leaveOutMissing(context) : context.batch
  if (known.courses.length === 0) return
  // Last of all look-ups, because people appear more often than courses go.
  const found = await leaveOutOthers({ batch: known, lms, waiting, modeOf: options.modeOf })
  const { batch: part, mail } = partToMail(found, options)
  // The look-ups took a time in which the others may have pruned this replica.
  const batch = { ...part, works: await context.keepOurs(part) }
  if (batch.works.length === 0) return
  if (mail) for (const work of batch.works) for (const course of batch.courses) work.mailed.add(course)
  const began = performance.now()
  const answer = await call({ batch, lms, route, reason: reasonOf(batch, newId), emailStudents: mail })
  noteCall(batch, { api: NAMES[route.kind], status: statusOf(answer), ms: performance.now() - began })
  // A mail stays sent, whatever became of the call.
  if (mail && mayHaveMailed(answer)) for (const work of batch.works) work.effectUnknown = true
  if (answer.ok && answer.value !== null) takeAnswer({ batch, breakers, route }, answer.value)
  else if (answer.ok) recordMissing(batch)
  else if (mayBeAboutOne(answer.failure) && isUp()) splitFailedBatch({ batch, breakers }, answer.failure)
  else recordAll(batch, failed(answer.failure))
}

/** For the timelines of all who were in the call. */
function noteCall({ works }: Batch, { ms, ...call }: Omit<CallNote, 'people'>): void {
  for (const work of works) work.calls.push({ ...call, people: works.length, ms: Math.round(ms) })
}

/** No course is a 404 of modify. */
const statusOf = (answer: Judged<BatchAnswer | null>): number | null =>
  answer.ok ? (answer.value === null ? 404 : 200) : answer.failure.status

/** Whether a failure may be about a person or a course, while the LMS as a whole is available. */
const mayBeAboutOne = (failure: Failure): boolean => isInDoubt(failure) || failure.kind === 'blocked'

/** Whether a call that proved nothing may have sent its mails. */
function mayHaveMailed(answer: Judged<BatchAnswer | null>): boolean {
  return answer.ok ? answer.value?.proof === false : mayBeAboutOne(answer.failure)
}

/** What the LMS's audit says: one sale, or the batch whose id the attempts of its deliveries name. */
function reasonOf({ works }: Batch, newId: () => string): string {
  const [first] = works
  if (works.length === 1 && first !== undefined) return `Lernito ${first.delivery.id}`
  const id = newId()
  for (const work of works) work.batches.push(id)
  return `Lernito batch ${id}`
}

/** null if the LMS has no such course. */
function call({
  batch: { courses, works },
  lms,
  route,
  reason,
  emailStudents,
}: Pick<BatchContext, 'batch' | 'lms'> & { route: BatchRoute; reason: string; emailStudents: boolean }): Promise<
  Judged<BatchAnswer | null>
> {
  const emails = works.map((work) => work.request.email)
  const common = { emails, reason, emailStudents }
  if (route.kind === 'bulk') return lms.bulkEnroll(route.permit, { ...common, courses })
  const [course = ''] = courses
  return lms.modify({ ...common, course })
}

/**
 * The batch without the courses that the LMS has lost since their keys were looked up. bulk_enroll would make rows for
 * them all the same, and an allowance for a missing course locks its buyer out of activating; modify tells by itself.
 */
async function leaveOutMissing({ batch, lms }: Pick<BatchContext, 'batch' | 'lms'>): Promise<Batch> {
  const { works, courses } = batch
  const left: string[] = []
  for (const course of courses) {
    const found = await lms.course(course)
    if (!found.ok) recordAll({ works, courses: [course] }, failed(found.failure))
    else if (found.value === null) recordMissing({ works, courses: [course] })
    else left.push(course)
  }
  return { works, courses: left }
}

/** The LMS has lost the courses since their keys were looked up. */
function recordMissing({ works, courses }: Batch): void {
  for (const course of courses) {
    recordAll({ works, courses: [course] }, refused({ code: 'course.missing', subject: course }))
  }
}

/**
 * Splits a batch whose call failed while the LMS is available. One person or one course may be the cause, so the batch is
 * sent again in parts: each course separately, then each half separately, until the cause is alone and delays nobody else.
 * This function sends nothing: it marks the works, which stay open and get their next calls in turn with all others. A
 * batch of one person and one course fails.
 */
function splitFailedBatch(
  { batch: { works, courses }, breakers }: Pick<BatchContext, 'batch' | 'breakers'>,
  failure: Failure,
): void {
  const [course = '', ...more] = courses
  const isOneCourse = more.length === 0
  if (isOneCourse && isInDoubt(failure)) {
    breakers.failed(course, { people: works.map((work) => work.request.email), message: failure.message })
  }
  if (isOneCourse && works.length === 1) {
    recordAll({ works, courses }, failed(failure))
    return
  }
  if (!keptNothing(failure)) for (const work of works) markInDoubt({ work, courses }, failure)
  const middle = isOneCourse ? Math.ceil(works.length / 2) : works.length
  const [part, rest] = [Symbol('part'), Symbol('rest')]
  for (const [i, work] of works.entries()) work.grouping = i < middle ? part : rest
}

/** With ATOMIC_REQUESTS, the LMS's default, a 500 rolls the whole call back (recorded: README.md, 'Seen besides'). */
const keptNothing = ({ status, mayHaveTakenEffect }: Failure): boolean => status === 500 || !mayHaveTakenEffect

/**
 * Notes that the call may have taken effect for this person: the sale may be refunded before the next call. So whoever has
 * an account, by a search after this call, goes one by one and is read first.
 */
function markInDoubt({ work, courses }: { work: Work; courses: readonly string[] }, failure: Failure): void {
  work.effectUnknown = true
  for (const course of courses) work.gave.set(course, true)
  work.readFirstSince = performance.now()
  work.mayLand ||= mayStillLand(failure)
}

/** If none of ours has the `error` of an answer, it can be about anyone, so all are suspects. */
function takeAnswer(
  { batch: { works, courses }, breakers, route }: Pick<BatchContext, 'batch' | 'breakers'> & { route: BatchRoute },
  { proof, words, results, had }: BatchAnswer,
): void {
  const resultOf = (work: Work, course: string): PersonResult => results.get(course)?.get(work.request.email) ?? 'error'
  if (!proof) {
    for (const work of works) {
      work.effectUnknown = true // an LMS may keep the others, and a part of it may still fail
      for (const course of courses) work.gave.set(course, true)
    }
    const wrong = works.filter((work) => courses.some((course) => resultOf(work, course) === 'error'))
    for (const work of wrong.length > 0 ? wrong : works) {
      work.grouping = 'suspect'
      const said = words.get(work.request.email)
      const quoted = said === undefined ? '' : ` (${said})`
      work.firstError ??= `${NAMES[route.kind]} answers \`error\` for this person${quoted}`
    }
    return
  }
  for (const course of courses) breakers.succeeded(course)
  for (const work of works) {
    if (typeof work.grouping === 'symbol') work.grouping = 'courses'
    for (const course of courses) {
      const gave = had.get(course)?.has(work.request.email) === false
      conclude({ work, course, result: resultOf(work, course), gave })
    }
  }
}

const NAMES = { bulk: 'bulk_enroll', modify: 'enrollments/modify' } as const

const PRIOR = {
  enrolled: 'effect_unknown',
  enrolled_and_allowed: 'effect_unknown',
  allowed_before: 'allowed_before',
  inactive: 'allowed_by_bulk',
  inactive_not_allowed: 'unasked',
  invalid: 'unasked',
  error: 'unasked',
} as const satisfies Partial<Record<PersonResult, PriorKnowledge>>

/**
 * Records the result of one person. One that needs further calls gets them singly, apart from the batch, whose other
 * people then don't wait for them. Until then, the effect of this call is unknown to the next attempt. An account that
 * wasn't there at the search is looked up: the person registered since, or it is a stranger who did, with the person's
 * address as user name.
 */
function conclude({
  work,
  course,
  result,
  gave,
}: {
  work: Work
  course: string
  result: PersonResult
  gave: boolean
}): void {
  const isProved = result === 'allowed' || (result === 'enrolled' && work.account !== null)
  if (isProved) record({ work, course, result: byAccount(work.account, done(result, gave ? {} : HAD)) })
  else if (result === 'retired') {
    record({ work, course, result: refused({ code: 'person.retired', subject: '' }) })
  } else {
    work.prior.set(course, PRIOR[result])
    sendSingly(work)
    if (PRIOR[result] === 'unasked') return
    work.effectUnknown = true
    if (gave) work.gave.set(course, true)
  }
}

/**
 * Whether the LMS may mail this person about these courses. Each call with email_students mails again (recorded:
 * lms-newer/email-students.json, 'modify: the same again: both are mailed again'), and a mail stays sent if the LMS rolls
 * the call back (recorded there, 'bulk: no such course with email_students …'). So only the first call that can have an
 * effect mails: not a repeat or a replay of a sale that was enrolled before, and not after a call of unknown effect.
 */
function mayMail({ delivery, effectUnknown, mailed }: Work, courses: readonly string[]): boolean {
  return delivery.doneAt === null && !effectUnknown && !courses.some((course) => mailed.has(course))
}

/**
 * The part of a batch that goes in one call: with LERNITO_EMAIL_STUDENTS, all of its people are mailed, or none. The
 * others stay open for the next call.
 */
function partToMail(batch: Batch, { emailStudents }: { emailStudents: boolean }): { batch: Batch; mail: boolean } {
  const [first] = batch.works
  if (!emailStudents || first === undefined) return { batch, mail: false }
  const mail = mayMail(first, batch.courses)
  const works = batch.works.filter((work) => mayMail(work, batch.courses) === mail)
  return { batch: { ...batch, works }, mail }
}
