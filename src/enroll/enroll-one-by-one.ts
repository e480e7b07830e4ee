import { isInDoubt } from '../lms/client/failure.ts'
import { lacksMode, lineOf } from '../sale/line.ts'
import type { Batch } from './batches.ts'
import type { CourseBreakers } from './breakers/course-breakers.ts'
import type { ModeOf } from './course-mode.ts'
import { enrollSingly } from './enroll-singly.ts'
import type { CallContext, Pair, PriorKnowledge } from './pair.ts'
import { isRefusedByLms, type PairResult, record, refused, STOPPED, type Work } from './work.ts'

/** What the settings ask for beyond enrolling. */
export interface EnrollingOptions {
  /** LERNITO_EMAIL_STUDENTS */
  readonly emailStudents: boolean
  /** LERNITO_COURSE_MODE */
  readonly modeOf: ModeOf
}

/** `acquire` stops the works that this replica no longer owns, and rejects with STOPPED if there are any. */
export interface BatchContext extends CallContext {
  readonly batch: Batch
  /**
   * Asks the database, right before a batch call for these courses, which of these works this replica still owns, and stops
   * the others. Stores the accounts that the call names, see Line.named.
   */
  readonly keepOurs: (batch: Batch) => Promise<readonly Work[]>
  /** See Pair. */
  readonly mayLand: (work: Work) => ReturnType<Pair['mayLand']>
  readonly breakers: Pick<CourseBreakers, 'succeeded' | 'failed'>
  readonly options: EnrollingOptions
  /** Whether the LMS as a whole is available. If so, a failure is about a person or a course. */
  readonly isUp: () => boolean
}

/** Enrolls the one person of a batch course by course, and records the results in the work. */
export async function enrollOneByOne(of: BatchContext): Promise<void> {
  const { batch, breakers, isUp, options, mayLand, ...context } = of
  for (const work of batch.works) {
    for (const course of batch.courses) {
      const { email } = work.request
      const { lines, doneAt } = work.delivery
      const line = lineOf(lines, course)
      const began = performance.now()
      const result = await enrollSingly({
        ...context,
        email,
        course,
        stored: line?.account ?? null,
        named: line?.named ?? false,
        mayLand: () => mayLand(work),
        claimed: line?.claimed ?? false,
        wasDone: doneAt !== null,
        lacksMode: line !== undefined && lacksMode(line),
        prior: priorOf(work, course),
        mode: options.modeOf(course),
      }).catch(noneIfStopped)
      work.calls.push({ api: 'single', people: 1, status: null, ms: Math.round(performance.now() - began) })
      if (result === null) break
      // Not one that is blocked: a few buyers whose addresses a firewall blocks must not pause the course for the others.
      if (result.kind === 'failure' && isInDoubt(result.failure) && isUp()) {
        breakers.failed(course, { people: [email], message: result.failure.message })
      }
      if (showsThatCourseWorks(result)) breakers.succeeded(course)
      record({ work, course, result: withFirstError(work, result) })
    }
  }
}

/** null for a work that was stopped between two calls. */
function noneIfStopped(error: unknown): null {
  if (error === STOPPED) return null
  throw error
}

/**
 * What a batch found just now, or else nothing. An allowance that was there before the batch may be that of an earlier
 * attempt of unknown effect: if an account has used it that has another address now, nobody can tell whether the person
 * was unenrolled.
 */
function priorOf({ prior, readFirstSince, effectUnknown }: Work, course: string): PriorKnowledge {
  const found = prior.get(course) ?? 'unasked'
  if (readFirstSince === null || (found !== 'unasked' && found !== 'allowed_before')) return found
  return effectUnknown ? 'effect_unknown' : 'not_sold_anew'
}

/** A refusal of the person doesn't prove that the course works. */
const showsThatCourseWorks = (result: PairResult): boolean => result.kind === 'done' || isRefusedByLms(result)

/** The batch's error is the cause. The LMS's message about the single call may be about that call only. */
function withFirstError({ firstError }: Work, result: PairResult): PairResult {
  if (firstError === null || !isRefusedByLms(result)) return result
  return refused({ ...result.reason, subject: `${firstError}; singly: ${result.reason.subject}` })
}
