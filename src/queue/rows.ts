import { z } from 'zod'
import type { DeliveryRow } from '../database/schema.ts'
import {
  type Achievements,
  type BuyerAccounts,
  CERTIFICATE_STATUSES,
  courseOfReason,
  type Delivery,
  type DeliveryState,
  type EnrollmentRequest,
  type Outcome,
  type Progress,
  REASON_CODES,
  type Reason,
  STANDINGS,
  type Standings,
} from '../sale/types.ts'
import { courseTerm } from './search-terms.ts'

const requestSchema = z.object({
  email: z.string(),
  name: z.string(),
  family: z.string(),
  username: z.string(),
  courseIds: z.array(z.string()),
})
const outcomeSchema = z.object({
  courses: z.record(z.string(), z.enum(['enrolled', 'allowed'])),
  reason: z.object({ code: z.enum(REASON_CODES), subject: z.string(), course: z.string().exactOptional() }).nullable(),
})

/** The columns that store an outcome; null before the first result. */
export function outcomeColumns(outcome: Outcome | null): Pick<DeliveryRow, 'outcome' | 'reason' | 'subject'> {
  if (outcome === null) return { outcome: null, reason: null, subject: null }
  const { reason } = outcome
  const course = reason === null ? null : courseOfReason(reason)
  return {
    outcome: JSON.stringify(outcome),
    reason: reason?.code ?? null,
    subject: course === null ? null : courseTerm(course),
  }
}

const standingsSchema = z.record(
  z.string(),
  z.object({
    standing: z.enum(STANDINGS),
    mode: z.string().nullable(),
    checkedAt: z.number(),
    since: z.number(),
    checks: z.number(),
    endedAt: z.number().exactOptional(),
    moved: z.literal(true).exactOptional(),
  }),
)

const accountsSchema = z.record(z.string(), z.object({ id: z.int(), username: z.string() }))

const achievementsSchema = z.record(
  z.string(),
  z.object({
    passedAt: z.number(),
    percent: z.number().exactOptional(),
    certificate: z
      .object({ status: z.enum(CERTIFICATE_STATUSES), url: z.string().nullable(), createdAt: z.number() })
      .exactOptional(),
  }),
)

/** The columns that store standings. */
export function standingColumns(standings: Standings): Pick<DeliveryRow, 'standings' | 'ended_at'> {
  const ended = Object.values(standings).flatMap(({ endedAt }) => endedAt ?? [])
  return { standings: JSON.stringify(standings), ended_at: ended.length === 0 ? null : Math.min(...ended) }
}

/** The states of deliveries in which the access to a course can end: in the second, another course waits for an account. */
export const CAN_END = ['enrolled', 'pre_enrolled'] as const satisfies readonly DeliveryState[]

/** The states of deliveries whose buyers have paid, and are not enrolled as sold. */
export const UNSOLVED = ['needs_attention', 'rejected'] as const satisfies readonly DeliveryState[]

/** Of a delivery that nobody has checked since its last result. */
export const NO_STANDINGS = { standings: null, ended_at: null } as const satisfies Partial<DeliveryRow>

/** The name of the hold for what is done for the buyer of a delivery: the address, without letter case. */
export const personOf = ({ email, id }: Pick<DeliveryRow, 'email' | 'id'>): string => email ?? id

/** A row as the rest of the program uses it. Checks the stored JSON: throws ZodError or SyntaxError if it is wrong. */
export function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    digest: row.digest,
    state: row.state,
    person: personOf(row),
    dueAt: row.due_at,
    attempts: row.attempts,
    receivedAt: row.received_at,
    settledAt: row.settled_at,
    enrolledAt: row.enrolled_at,
    replayedAt: row.replayed_at,
    generation: row.generation,
    effectUnknown: row.effect_unknown !== 0,
    form: row.form,
    body: row.body,
    ...readStored(row),
    source: row.source,
    replaces: row.replaces,
    replacedBy: row.replaced_by,
    webhookId: row.webhook_id,
  }
}

/** Parses the columns of JSON, and throws as toDelivery does. */
export const readStored = (
  row: Pick<DeliveryRow, 'request' | 'outcome' | 'standings' | 'accounts' | 'achievements'>,
) => ({
  request: row.request === null ? null : readRequest(row.request),
  outcome: row.outcome === null ? null : readOutcome(row.outcome),
  standings: readStandings(row.standings),
  accounts: readAccounts(row.accounts),
  achievements: readAchievements(row.achievements),
})

/** Never throws: if the outcome can't be read, that becomes the reason. */
export function toProgress({
  state,
  due_at,
  outcome,
  generation,
}: Pick<DeliveryRow, 'state' | 'due_at' | 'outcome' | 'generation'>): Progress {
  return { state, dueAt: due_at, outcome: readOutcomeOrReason(outcome), generation }
}

function readOutcomeOrReason(text: string | null): Outcome {
  try {
    return readOutcome(text)
  } catch (error) {
    return { courses: {}, reason: unreadable(error) }
  }
}

/**
 * The course key that a stored outcome fails for, as the shop sent it: the column `subject` has its courseTerm. null if it
 * is about none, or can't be read.
 */
export function courseOfOutcome(outcome: string | null): string | null {
  const { reason } = readOutcomeOrReason(outcome)
  return reason === null ? null : courseOfReason(reason)
}

/** The reason for a row that this program can't have written. It quotes no content, because the log gets it. */
export const unreadable = (error: unknown): Reason => ({ code: 'row.unreadable', subject: describeError(error) })

function describeError(error: unknown): string {
  if (!(error instanceof z.ZodError)) return 'its JSON is damaged'
  const [issue] = error.issues
  return issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`
}

/**
 * Parse the columns `request`, `outcome` and `standings`. Throw ZodError or SyntaxError for a text that this program
 * can't have written. Before the first result, an outcome has no courses and no reason.
 */
export const readRequest = (text: string): EnrollmentRequest => requestSchema.parse(JSON.parse(text))
export const readOutcome = (text: string | null): Outcome =>
  text === null ? { courses: {}, reason: null } : outcomeSchema.parse(JSON.parse(text))
export const readStandings = (text: string | null): Standings =>
  text === null ? {} : standingsSchema.parse(JSON.parse(text))

/** Parses the column `accounts`, and throws as these do. */
export const readAccounts = (text: string | null): BuyerAccounts =>
  text === null ? {} : accountsSchema.parse(JSON.parse(text))

/** Parses the column `achievements`, and throws as these do. */
export const readAchievements = (text: string | null): Achievements =>
  text === null ? {} : achievementsSchema.parse(JSON.parse(text))

/** Parses a column that lists course keys or ids, and throws as these do. */
export const readList = (text: string): readonly string[] => z.array(z.string()).parse(JSON.parse(text))

/** The columns that store accounts. */
export function accountColumns(accounts: BuyerAccounts): Pick<DeliveryRow, 'accounts' | 'user_id'> {
  const last = Object.values(accounts).at(-1)
  return last === undefined ? NO_ACCOUNTS : { accounts: JSON.stringify(accounts), user_id: last.id }
}
export const NO_ACCOUNTS = { accounts: null, user_id: null } as const satisfies Partial<DeliveryRow>

/** The course keys that a delivery sold, each once; [] for a request that can't be read: it is never attempted. */
export function coursesOf({ request }: Pick<DeliveryRow, 'request'>): readonly string[] {
  try {
    return request === null ? [] : [...new Set(readRequest(request).courseIds)]
  } catch {
    return []
  }
}
