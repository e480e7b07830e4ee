import type { Db, DeliveryRow, EventRow, OutboxRow } from '../../database/schema.ts'
import {
  type CourseResult,
  isTakenOut,
  isWithdrawing,
  type KeptCourse,
  keeps,
  type Line,
  lineOf,
} from '../../sale/line.ts'
import {
  courseOfReason,
  type DeliveryState,
  type EventKind,
  isDone,
  REASONS,
  type Reason,
  type ReasonCode,
  withSubject,
} from '../../sale/types.ts'
import { keptCourse } from '../../sale/withdrawal-facts.ts'
import { linesOf, type WithLines, withLines } from '../lines.ts'
import { REASON_COLUMNS, readReason } from '../rows.ts'

/** The events that the shop gets: the kind of our own event, and the type that the shop sees. */
export const SHOP_EVENT_TYPES = {
  enrolled: 'delivery.enrolled',
  pre_enrolled: 'delivery.pre_enrolled',
  claimed: 'delivery.claimed',
  needs_attention: 'delivery.needs_attention',
  rejected: 'delivery.rejected',
  withdrawn: 'delivery.withdrawn',
  refund_failed: 'delivery.refund_failed',
  access_ended: 'delivery.access_ended',
  access_restored: 'delivery.access_restored',
  passed: 'learner.passed',
  certificate_issued: 'learner.certificate',
  certificate_revoked: 'learner.certificate',
} as const satisfies Partial<Record<EventKind, string>>

type ShopEventKind = keyof typeof SHOP_EVENT_TYPES

/** The type of the event that tells of a course, and of no delivery. */
export const COURSE_CHANGED = 'course.changed'

/** Whether the shop gets an event of this kind. */
export const isShopEvent = (kind: EventKind): kind is ShopEventKind => Object.hasOwn(SHOP_EVENT_TYPES, kind)

/** The event that tells the shop of a delivery as it is; null: there is none. */
export const eventOf = ({ state, ended_at: endedAt }: Pick<DeliveryRow, 'state' | 'ended_at'>): ShopEventKind | null =>
  state === 'enrolled' && endedAt !== null ? 'access_ended' : eventOfState(state)

/** The event that tells the shop of this state; null: there is none. */
export function eventOfState(state: DeliveryState): ShopEventKind | null {
  return state !== 'queued' && isShopEvent(state) ? state : null
}

/**
 * A delivery as the shop sees it, in events and in answers of the status endpoint. It names the buyer only by the
 * delivery's id.
 */
interface ShopView {
  readonly id: string
  /** The webhook-id that the shop sent the sale with, if it signs by Standard Webhooks. */
  readonly webhookId: string | null
  readonly state: DeliveryState
  /**
   * The true course keys that are done, have not ended and are not to be withdrawn. `pre_enrolled`: the buyer is enrolled as
   * soon as they have an active account.
   */
  readonly courses: readonly { readonly id: string; readonly result: 'enrolled' | 'pre_enrolled' }[]
  /** Those that were enrolled and that the buyer has lost in the LMS, with the time of the check that found it (ISO). */
  readonly ended: readonly { readonly id: string; readonly since: string }[]
  /** Those that the buyer is to be taken out of, by a refund or by an operator. */
  readonly withdrawing: readonly string[]
  /** Those that the buyer was withdrawn from and still has. */
  readonly kept: readonly KeptCourse[]
  /** Those that a failed refund has left as they were. */
  readonly refundFailed: readonly string[]
  /** `course`: that which the reason is about; null if it is about the buyer or the payload. */
  readonly reason: { readonly code: ReasonCode; readonly message: string; readonly course: string | null } | null
  /** The delivery that this one corrects, and the one that corrects it. */
  readonly replaces: string | null
  readonly replacedBy: string | null
  /** Whether it is a test sale by an operator. */
  readonly test: boolean
}

/** What the buyer of a delivery has achieved in one of its courses, as the shop sees it. */
interface LearnerView extends Pick<ShopView, 'id' | 'webhookId' | 'test'> {
  /** The true course key. */
  readonly course: string
  readonly passed: true
  /** From 0 to 100. Absent unless LERNITO_OUTCOMES is `grades`. */
  readonly percent?: number
  /** null: none was ever issued. `date`: when the LMS created it (ISO). */
  readonly certificate: {
    readonly status: 'issued' | 'revoked'
    readonly url: string | null
    readonly date: string
  } | null
}

const COLUMNS = [
  'id',
  'webhook_id',
  'received_at',
  'source',
  'replaces',
  'replaced_by',
  'ended_at',
  'state',
  ...REASON_COLUMNS,
] as const
type Stored = WithLines<Pick<DeliveryRow, (typeof COLUMNS)[number]>>
type Row = Stored & Pick<ShopView, 'kept'>

interface Reading {
  readonly trx: Db
}

/** See EventDraft. */
interface EndedEarly {
  readonly refundFailed?: readonly string[]
}

/**
 * Stores the events for the shop that these events cause, in their transaction and after the changes of the deliveries,
 * so that exactly what is committed is sent. A result of a delivery that is queued again is none: the sale came again
 * during the attempt, and the next attempt has the result. But a withdrawal may end while its sale goes on without it.
 */
export async function insertShopEvents(
  context: { readonly trx: Db; readonly at: number },
  events: readonly (Pick<EventRow, 'id' | 'delivery_id' | 'kind' | 'detail' | 'seq'> & EndedEarly)[],
): Promise<void> {
  const told = events.flatMap(({ kind, ...event }) => (isShopEvent(kind) ? [{ ...event, kind }] : []))
  const rows = await readRows(
    context,
    told.map((event) => event.delivery_id),
  )
  const drafts = told.flatMap(({ delivery_id, kind, ...event }) => {
    const row = rows.get(delivery_id)
    return row === undefined || (row.state === 'queued' && kind !== 'withdrawn' && kind !== 'refund_failed')
      ? []
      : [outboxRow({ ...event, kind, at: context.at, row })]
  })
  if (drafts.length > 0) await context.trx.insertInto('outbox').values(drafts).execute()
}

/** What the shop sees of these deliveries, by id. Those that don't exist are left out. */
export async function readShopViews(context: Reading, ids: readonly string[]): Promise<ReadonlyMap<string, ShopView>> {
  const rows = await readRows(context, ids)
  return new Map([...rows].map(([id, row]) => [id, shopView(row)]))
}

/**
 * A new row of the outbox that is due at once. `seq`: see nextPlaces. `at`: ms since 1970. `detail`: of our own event; an
 * event about a learner has the true course key there.
 */
export function outboxRow(
  of: EndedEarly & {
    id: string
    seq: number
    kind: ShopEventKind
    detail: string
    at: number
    row: Row
  },
): OutboxRow {
  const { id, seq, kind, detail, at, row, refundFailed } = of
  const type = SHOP_EVENT_TYPES[kind]
  const sinceSale =
    kind === 'claimed' ? { secondsSinceSale: Math.max(0, Math.floor((at - row.received_at) / 1000)) } : {}
  const early = refundFailed === undefined ? {} : { refundFailed }
  const data = type.startsWith('learner.') ? learnerView(row, detail) : { ...shopView(row), ...sinceSale, ...early }
  return newRow({ id, about: row.id, type, seq, at, data })
}

/**
 * A new row of the outbox that is due at once.
 * @param of.seq grows with each event about the same delivery or course
 * @param of.at ms since 1970
 */
export function newRow(of: Pick<OutboxRow, 'id' | 'about' | 'type' | 'seq'> & { at: number; data: object }): OutboxRow {
  const { id, about, type, seq, at, data } = of
  const body = JSON.stringify({ type, timestamp: new Date(at).toISOString(), sequence: seq, data })
  return { id, about, type, body, created_at: at, due_at: at, attempts: 0, failed_at: null, error: null, seq }
}

/**
 * The events that tell the shop what the buyer of a delivery has achieved: the latest of each course that the buyer still
 * has. `detail`: the true course key.
 */
export function learnerEvents(row: Row): { kind: ShopEventKind; detail: string }[] {
  if (!isDone(row.state)) return []
  return row.lines.flatMap(({ course: detail, result, standing, achievement }) => {
    if (achievement === null || result !== 'enrolled' || standing?.endedAt !== undefined) return []
    const { certificate } = achievement
    return [{ kind: certificate === undefined ? 'passed' : (`certificate_${certificate.status}` as const), detail }]
  })
}

/** The rows of these deliveries, as far as the shop may see them, by id. */
export async function readRows({ trx }: Reading, ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
  const wanted = [...new Set(ids)]
  if (wanted.length === 0) return new Map()
  const rows = await trx.selectFrom('deliveries').select(COLUMNS).where('id', 'in', wanted).execute()
  const stored = await withLines(trx, rows)
  const left = new Map(stored.map((row) => [row.id, leftBy(row)]))
  const sales = [...left.values()].flat().flatMap((one) => (one.reason === 'sale' ? one.delivery : []))
  const keepers = await linesOf(trx, [...new Set(sales)])
  const linesIn = new Map(keepers.map(({ id, lines }) => [id, lines]))
  const isKept = (one: KeptCourse) => one.reason !== 'sale' || keeps(linesIn.get(one.delivery) ?? [], one.course)
  return new Map(stored.map((row) => [row.id, { ...row, kept: (left.get(row.id) ?? []).filter(isKept) }]))
}

/** The courses that withdrawals of a delivery left to others, which may have ended since, or as they were before it. */
const leftBy = ({ lines }: Stored): KeptCourse[] =>
  lines.flatMap((line) => {
    const { course, withdrawal } = line
    return withdrawal === null || isWithdrawing(line) ? [] : (keptCourse(course, withdrawal) ?? [])
  })

/** What the shop may see of a delivery. Pure. */
export function shopView(row: Row): ShopView {
  const reason = readReason(row)
  const withdrawing = row.lines.filter(isWithdrawing)
  const done = row.lines.flatMap((line) => {
    const { course: id, result, standing } = line
    if (result === null || withdrawing.includes(line)) return []
    return [{ id, result: RESULTS[result], endedAt: standing?.endedAt }]
  })
  return {
    id: row.id,
    webhookId: row.webhook_id,
    state: row.state,
    courses: done.flatMap(({ endedAt, ...course }) => (endedAt === undefined ? [course] : [])),
    ended: done.flatMap(({ id, endedAt }) =>
      endedAt === undefined ? [] : [{ id, since: new Date(endedAt).toISOString() }],
    ),
    withdrawing: withdrawing.map(({ course }) => course),
    kept: row.kept,
    refundFailed: row.lines.filter(isRefundFailed).map(({ course }) => course),
    reason: reason === null ? null : { code: reason.code, message: messageOf(reason), course: courseOfReason(reason) },
    replaces: row.replaces,
    replacedBy: row.replaced_by,
    test: row.source === 'test',
  }
}

const isRefundFailed = (line: Line): boolean =>
  line.withdrawal?.isRefund === true && !isWithdrawing(line) && !isTakenOut(line)

/** What the shop may see of what the buyer has achieved in a course. Pure. @throws Error for one that is not passed */
function learnerView(row: Row, course: string): LearnerView {
  const achieved = lineOf(row.lines, course)?.achievement ?? null
  if (achieved === null) throw new Error('an event tells of a course in which nothing is stored')
  const { percent, certificate = null } = achieved
  return {
    id: row.id,
    webhookId: row.webhook_id,
    course,
    passed: true,
    ...(percent === undefined ? {} : { percent }),
    certificate:
      certificate === null
        ? null
        : { status: certificate.status, url: certificate.url, date: new Date(certificate.createdAt).toISOString() },
    test: row.source === 'test',
  }
}

const RESULTS = { enrolled: 'enrolled', allowed: 'pre_enrolled' } as const satisfies Record<CourseResult, string>

/** Without the texts of the LMS and of our own database, which may name people. */
function messageOf({ code, subject }: Reason): string {
  const { event, answer } = REASONS[code]
  return withSubject(event ?? answer.message, subject)
}
