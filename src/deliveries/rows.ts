import { z } from 'zod'
import type { DeliveryRow } from './schema.ts'
import { type Delivery, type EnrollmentRequest, type Outcome, type Progress, REASON_CODES } from './types.ts'

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
    form: row.form,
    body: row.body,
    request: row.request === null ? null : readRequest(row.request),
    outcome: row.outcome === null ? null : readOutcome(row.outcome),
  }
}

export const toProgress = ({
  state,
  due_at,
  outcome,
}: Pick<DeliveryRow, 'state' | 'due_at' | 'outcome'>): Progress => ({
  state,
  dueAt: due_at,
  outcome: outcome === null ? { courses: {}, reason: null } : readOutcome(outcome),
})

const readRequest = (text: string): EnrollmentRequest => requestSchema.parse(JSON.parse(text))
const readOutcome = (text: string): Outcome => outcomeSchema.parse(JSON.parse(text))
