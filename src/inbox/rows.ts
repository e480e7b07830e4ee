import { z } from 'zod'
import type { DeliveryRow } from '../database/schema.ts'
import {
  type Delivery,
  type EnrollmentRequest,
  type Outcome,
  type Progress,
  REASON_CODES,
  type Reason,
} from '../delivery/types.ts'

const requestSchema = z.object({
  email: z.string(),
  name: z.string(),
  family: z.string(),
  username: z.string(),
  courseIds: z.array(z.string()),
})
const outcomeSchema = z.object({
  courses: z.record(z.string(), z.enum(['enrolled', 'allowed'])),
  reason: z.object({ code: z.enum(REASON_CODES), subject: z.string() }).nullable(),
})

/** A row as the rest of the program knows it. The JSON in it is our own, checked all the same: a wrong one throws. */
export function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    digest: row.digest,
    state: row.state,
    owner: row.owner,
    dueAt: row.due_at,
    attempts: row.attempts,
    receivedAt: row.received_at,
    settledAt: row.settled_at,
    replayedAt: row.replayed_at,
    generation: row.generation,
    effectUnknown: row.effect_unknown !== 0,
    form: row.form,
    body: row.body,
    request: row.request === null ? null : readRequest(row.request),
    outcome: row.outcome === null ? null : readOutcome(row.outcome),
  }
}

/** Throws nothing: what can't be read is the reason why it isn't done. */
export function toProgress({
  state,
  due_at,
  outcome,
  generation,
}: Pick<DeliveryRow, 'state' | 'due_at' | 'outcome' | 'generation'>): Progress {
  return { state, dueAt: due_at, outcome: outcome === null ? NOTHING : readLeniently(outcome), generation }
}
const NOTHING: Outcome = { courses: {}, reason: null }

function readLeniently(text: string): Outcome {
  try {
    return readOutcome(text)
  } catch (error) {
    return { courses: {}, reason: unreadable(error) }
  }
}

/** Said of a row that is not as this program writes it; without its contents, for the log gets it too. */
export const unreadable = (error: unknown): Reason => ({ code: 'row.unreadable', subject: complaint(error) })

function complaint(error: unknown): string {
  if (!(error instanceof z.ZodError)) return 'its JSON is damaged'
  const [issue] = error.issues
  return issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`
}

/** The columns `request` and `outcome`. Throw ZodError or SyntaxError for what is not as this program writes it. */
export const readRequest = (text: string): EnrollmentRequest => requestSchema.parse(JSON.parse(text))
export const readOutcome = (text: string): Outcome => outcomeSchema.parse(JSON.parse(text))
