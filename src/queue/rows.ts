import { z } from 'zod'
import type { DeliveryRow } from '../database/schema.ts'
import { firstWithdrawn, type Line } from '../sale/line.ts'
import {
  courseOfReason,
  type Delivery,
  type DeliveryState,
  type EnrollmentRequest,
  isDone,
  isStopped,
  type Progress,
  REASON_CODES,
  type Reason,
} from '../sale/types.ts'
import type { WithLines } from './lines.ts'
import { courseTerm } from './search-terms.ts'

const requestSchema = z.object({
  email: z.string(),
  name: z.string(),
  family: z.string(),
  username: z.string(),
  courseIds: z.array(z.string()),
})
/** The columns that store why a delivery is not done. */
export function reasonColumns(
  reason: Reason | null,
): Pick<DeliveryRow, 'reason' | 'reason_text' | 'reason_course' | 'subject'> {
  if (reason === null) return { reason: null, reason_text: null, reason_course: null, subject: null }
  const course = courseOfReason(reason)
  return {
    reason: reason.code,
    reason_text: reason.subject,
    reason_course: reason.course ?? null,
    subject: course === null ? null : courseTerm(course),
  }
}

/** The columns of a reason, as a query selects them. */
export const REASON_COLUMNS = ['reason', 'reason_text', 'reason_course'] as const
export type ReasonRow = Pick<DeliveryRow, (typeof REASON_COLUMNS)[number]>

/** Why a delivery is not done; null if there is no reason. A newer version may have stored one that this one doesn't know. */
export function readReason({ reason: code, reason_text: text, reason_course: course }: ReasonRow): Reason | null {
  if (code === null) return null
  if (!REASON_CODES.includes(code)) return { code: 'row.unreadable', subject: '' }
  return { code, subject: text ?? '', ...(course === null ? {} : { course }) }
}

/** When the first access to a course was found to have ended; null if none has. */
export function endedAtOf(lines: readonly Line[]): number | null {
  const ended = lines.flatMap(({ standing }) => standing?.endedAt ?? [])
  return ended.length === 0 ? null : Math.min(...ended)
}

/** The states of deliveries whose buyers have paid, and are not enrolled as sold. */
export const UNSOLVED = ['needs_attention', 'rejected'] as const satisfies readonly DeliveryState[]

/** The name of the hold for what is done for the buyer of a delivery: the address, without letter case. */
export const personOf = ({ email, id }: Pick<DeliveryRow, 'email' | 'id'>): string => email ?? id

/** A row and its lines as the rest of the program uses them. Throws ZodError or SyntaxError for a request that is wrong. */
export function toDelivery(row: WithLines<DeliveryRow>): Delivery {
  return {
    id: row.id,
    digest: row.digest,
    state: row.state,
    person: personOf(row),
    dueAt: row.due_at,
    attempts: row.attempts,
    receivedAt: row.received_at,
    settledAt: row.settled_at,
    doneAt: row.done_at,
    replayedAt: row.replayed_at,
    handledAs: row.handled_as,
    generation: row.generation,
    effectUnknown: row.effect_unknown !== 0,
    readsFirst: row.reads_first !== 0,
    form: row.form,
    body: row.body,
    request: row.request === null ? null : readRequest(row.request),
    reason: readReason(row),
    lines: row.lines,
    source: row.source,
    replaces: row.replaces,
    replacedBy: row.replaced_by,
    webhookId: row.webhook_id,
  }
}

export const PROGRESS_COLUMNS = ['state', 'due_at', 'generation', ...REASON_COLUMNS] as const
export function toProgress(row: Pick<DeliveryRow, (typeof PROGRESS_COLUMNS)[number]>): Progress {
  return { state: row.state, dueAt: row.due_at, reason: readReason(row), generation: row.generation }
}

/** The progress of a delivery with these lines. One that waits for an attempt or a person isn't told by its withdrawals. */
export function withWithdrawn(progress: Progress, lines: readonly Line[]): Progress {
  const { state } = progress
  const withdrawnCourse = isDone(state) || isStopped(state) ? firstWithdrawn(lines) : undefined
  return withdrawnCourse === undefined ? progress : { ...progress, withdrawnCourse }
}

/** The reason for a row that this program can't have written. It quotes no content, because the log gets it. */
export const unreadable = (error: unknown): Reason => ({ code: 'row.unreadable', subject: describeError(error) })

function describeError(error: unknown): string {
  if (!(error instanceof z.ZodError)) return 'its JSON is damaged'
  const [issue] = error.issues
  return issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`
}

/** Parses the column `request`. Throws ZodError or SyntaxError for a text that this program can't have written. */
export const readRequest = (text: string): EnrollmentRequest => requestSchema.parse(JSON.parse(text))
