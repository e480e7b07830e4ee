import { describeOutcome } from '../sale/words.ts'
import type { ModeOf } from './course-mode.ts'
import { enrollSingly } from './enroll-singly.ts'
import type { Pair } from './pair.ts'

/**
 * Enrolls a person in one course again, for reconcile. A person who was unenrolled stays unenrolled, unless `isNamed`:
 * then the operator wants it and named the person. A paid mode isn't given back. Resolves to whether it succeeded, to a
 * description of the result, and to whether the LMS may still carry out a call.
 * @throws what `acquire` rejects with
 */
export async function repair({
  isNamed,
  modeOf,
  ...pair
}: Omit<Pair, 'mode'> & { isNamed: boolean; modeOf: ModeOf }): Promise<{
  readonly done: boolean
  readonly words: string
  readonly isUnknown: boolean
}> {
  const { course } = pair
  const slug = modeOf(course)
  const mode = slug === null ? null : { slug, mayUpgrade: false, mayRestore: false }
  const result = await enrollSingly({ ...pair, mode, prior: isNamed ? 'unasked' : 'effect_unknown' })
  if (result.kind === 'done') {
    const words = describeOutcome({ courses: { [course]: result.result }, reason: null })
    return { done: true, words, isUnknown: false }
  }
  const why =
    result.kind === 'failure' ? result.failure.message : `${result.reason.code} ${result.reason.subject}`.trim()
  const isUnknown = result.kind === 'failure' && result.failure.mayHaveTakenEffect
  return { done: false, words: `${course}: ${why}`, isUnknown }
}
