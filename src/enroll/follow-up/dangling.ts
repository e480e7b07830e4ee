import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import { storeFound } from '../../queue/change-deliveries.ts'
import { auditedChange, type WriteContext } from '../../queue/events.ts'
import { endedAtOf, readReason, reasonColumns } from '../../queue/rows.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import { coursesWith, resultsOf } from '../../sale/line.ts'
import { describeOutcome } from '../../sale/words.ts'
import type { Acquire } from '../pair.ts'
import { type PairResult, refused } from '../work.ts'
import { lockReported, type Reported } from './reported.ts'
import type { Seen } from './standing.ts'

/**
 * Tells in which courses of a delivery the allowance dangles: the LMS has no such course. Nobody can activate an account
 * with the address of such an allowance, because the LMS fails (recorded: lms-newer/paid-modes.json, 'SURPRISE: activation
 * with a dangling allowance …'). Looks each course up now, because somebody may have just created it again.
 */
export async function danglingIn({
  lms,
  reported: { lines },
  seen: { allowed, rows },
}: {
  lms: Pick<Lms, 'course'>
  reported: Reported
  seen: Seen
}): Promise<Judged<string[]>> {
  const dangling: string[] = []
  for (const course of coursesWith('allowed', lines).filter((one) => !rows.has(one) && allowed?.has(one))) {
    const found = await lms.course(course)
    if (!found.ok) return found
    if (found.value === null) dangling.push(course)
  }
  return succeeded(dangling)
}

/** What is told of a dangling allowance that was deleted. */
export const deletedText = (course: string): string =>
  `deleted the allowance for ${course}, which the LMS does not have`

/**
 * Deletes a dangling allowance in the LMS. The delivery then needs attention, because the buyer gets no course. Safe to
 * repeat: after a crash in between, the delivery still reports the course, and the allowance is missing.
 */
export async function deleteDangling({
  context,
  lms,
  acquire,
  reported: { id, generation, email },
  course,
  by,
}: {
  context: WriteContext
  lms: Pick<Lms, 'disallow'>
  acquire: Acquire
  reported: Reported
  course: string
  by: string
}): Promise<PairResult> {
  const deleted = await lms.disallow(await acquire({ undoes: true }), { email, course })
  if (!deleted.ok) return { kind: 'failure', failure: deleted.failure }
  const isGone = { code: 'course.missing', subject: course } as const
  await auditedChange<null>(context, async (writing) => {
    const repaired = { deliveryId: id, kind: 'repaired', detail: deletedText(course), actor: by } as const
    const [row] = await lockReported(writing, [id])
    const isOpen = row?.state === 'pre_enrolled' || row?.state === 'needs_attention'
    if (!isOpen || row.generation !== generation) return { result: null, listed: [repaired] }
    const lines = row.lines.map((line) => (isSameCourse(line.sent, course) ? { ...line, result: null } : line))
    // It needs attention already if another of its allowances was deleted before.
    const reason = readReason(row) ?? isGone
    const set = { state: 'needs_attention', ...reasonColumns(reason), ended_at: endedAtOf(lines) } as const
    await storeFound(writing, [{ id, from: row.state, set, before: row.lines, lines }])
    const moved = {
      deliveryId: id,
      kind: 'needs_attention',
      detail: describeOutcome({ courses: resultsOf(lines), reason }),
    } as const
    return { result: null, listed: [repaired], others: [moved] }
  })
  return refused(isGone)
}
