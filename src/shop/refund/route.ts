import { maskAddress } from '../../lms/apis/accounts.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { readKept } from '../../queue/withdrawals/keepers.ts'
import { type Refund, type StoredRefund, storeRefund } from '../../queue/withdrawals/store-refund.ts'
import { orderId } from '../../queue/withdrawals/withdrawal.ts'
import { isCourseKey } from '../../sale/course-key.ts'
import { digestOf } from '../../sale/json/canonical.ts'
import { isObject, type Json } from '../../sale/json/json.ts'
import type { KeptCourse } from '../../sale/line.ts'
import { aboutOf, readOptionalId, readPayload } from '../../sale/payload/rules.ts'
import { type DeliveryEvent, NOT_YET } from '../../sale/types.ts'
import { AppError } from '../../service/lib/errors.ts'
import type { WakeUp } from '../../service/lib/loop.ts'
import { type Answered, type OfShop, refusal, signedRoutes } from '../signature/signed-routes.ts'
import { misusedId, type Refused, type Verified } from '../webhook/receive.ts'

export const REFUND_PATH = '/api/lernito/refund/'

interface Refunds extends OfShop, Pick<AppContext, 'context' | 'guard' | 'inbox'> {
  /** Woken when a refund was stored. */
  readonly withdrawalsWakeUp: WakeUp
  /** How long the sender waits for the withdrawals, in ms; 0: it doesn't wait. */
  readonly answerWithinMs: number
  /** Called with the status of every answer, including refusals. */
  readonly onAnswer: (status: number) => void
  /** Called with each refund that the payload rules accept, and with its result. */
  readonly onRefund: (refund: ReceivedRefund) => void
}

/** A refund for the log. `courses`: how many it names. */
export interface ReceivedRefund {
  readonly result: string
  readonly deliveries: readonly string[]
  readonly courses: number
  readonly webhookId?: string
  /** Of one that nothing was sold for: the first of its courses without a sale, and the address without its name. */
  readonly unsold?: readonly string[]
  readonly to?: string
}

/** The name of no sale. A field `sale` that names none may be the shop's own, as it was in the payload of the sale. */
const NO_SALE = ''

/** So many courses are named in the log. */
const UNSOLD_MAX = 5

/**
 * Adds the route at which the shop takes a buyer out of courses again. A request is signed as a webhook is and has the
 * same payload, and what is wrong with it is answered as for a webhook. The sender waits until the withdrawals have
 * ended, the deadline is over, or the service stops.
 */
export function refundRoute({ answerWithinMs, onRefund, ...parts }: Refunds): void {
  const handle = async ({ json, webhookId }: Verified): Promise<Answered | Refused> => {
    const payload = readPayload(json)
    const errors = 'errors' in payload ? payload.errors : null
    const request = 'errors' in payload ? readDespiteAddress(json) : payload.request
    if (request === null) return wrong(errors)
    const sale = readOptionalId(json, 'sale')
    const courses = request.courseIds.length
    const deadline = answerWithinMs === 0 ? null : performance.now() + answerWithinMs
    const names = {
      ...(webhookId === undefined ? {} : { webhookId }),
      ...('errors' in sale ? { sale: NO_SALE } : sale.value === null ? {} : { sale: sale.value }),
    }
    const { result, events } = await store(parts, { request, digest: digestOf(json), ...names })
    if (result.kind === 'sale_id' || result.kind === 'refund_reused') {
      onRefund({ result: result.kind, deliveries: result.deliveries, courses, ...names })
      return misusedId(result.kind)
    }
    if (result.kind === 'never_sold') {
      // Only now, because an operator may have corrected the sale of a wrong address or a malformed key.
      if (errors !== null) return wrong(errors)
      if ('errors' in sale) return wrong(sale.errors)
      const malformed = result.courses.find((key) => !isCourseKey(key))
      if (malformed !== undefined) return wrong(`Invalid course key format: ${malformed}`)
      const unsold = result.courses.slice(0, UNSOLD_MAX)
      onRefund({ result: result.kind, deliveries: [], courses, ...names, unsold, to: maskAddress(request.email) })
      return neverSold(result.courses, sale.value)
    }
    const { deliveries, orders, isRepeat } = result
    const withdrawn = await parts.inbox.withdrawn({ ids: orders.map(orderId), deadline })
    onRefund({ result: isRepeat ? 'repeat' : 'accepted', deliveries, courses, ...names })
    const newest = deliveries.at(-1)
    const headers = newest === undefined ? {} : { 'x-lernito-delivery': newest }
    const ordered = events.filter(({ kind }) => kind === 'withdrawal_requested')
    const kept = withdrawn === 'done' ? await parts.guard(() => readKept(parts.context.database.db, orders)) : []
    return { ...refundAnswer({ withdrawn, courses, kept }), headers, events: ordered }
  }
  signedRoutes({ ...parts, urls: [REFUND_PATH], handle })
}

/** What a refund takes back whose only fault is its address: the sale may have had that, too. null: it has another fault. */
function readDespiteAddress(json: Json): Refund['request'] | null {
  const { email } = aboutOf(json)
  if (email === undefined || !isObject(json)) return null
  const payload = readPayload(new Map(json).set('email', 'valid@example.com'))
  return 'errors' in payload ? null : { ...payload.request, email }
}

/** Stores a refund; `events`: what was stored of it. Throws AppError database.unreachable if nothing was stored. */
async function store(
  { context, guard, inbox, withdrawalsWakeUp }: Omit<Refunds, 'answerWithinMs' | 'onRefund'>,
  refund: Refund,
): Promise<{ result: StoredRefund; events: readonly DeliveryEvent[] }> {
  const events: DeliveryEvent[] = []
  const publish = (event: DeliveryEvent): void => {
    events.push(event)
    context.publish(event)
  }
  const result = await guard(() => storeRefund({ ...context, publish }, refund)).catch((cause: unknown) => {
    throw new AppError(
      'database.unreachable',
      'A refund could not be stored, so it was not accepted, and the shop has to send it again.',
      { cause },
    )
  })
  if (result.kind === 'accepted') {
    withdrawalsWakeUp.wake()
    inbox.claimSoon() // for the courses that the refund leaves of a delivery
  }
  return { result, events }
}

const wrong = (message: unknown): Answered => refusal({ status: 400, message })

function neverSold(courses: readonly string[], sale: string | null): Answered {
  const [what, more] =
    sale === null ? ['no sale', ''] : [`no sale ${sale}`, ', and in sale its webhook-id or X-Lernito-Delivery']
  const message = `Nothing was withdrawn, because ${what} of ${courses.join(', ')} to this address is known. Send the address and the course keys of the sale${more}, or ask the operator`
  return refusal({ status: 404, message })
}

/**
 * The answer to a refund that was accepted. Pure.
 * @param of.withdrawn the result of its withdrawals; null if they have not all ended
 * @param of.courses the number of course keys in the payload, including repeated ones
 * @param of.kept the courses that the buyer keeps
 */
function refundAnswer(of: {
  withdrawn: 'done' | 'kept' | 'failed' | null
  courses: number
  kept: readonly KeptCourse[]
}): Answered {
  const { withdrawn, courses, kept } = of
  if (withdrawn === null) return done(202, `Withdrawal accepted for ${courses} course(s)`)
  const verified = done(200, `Withdrawal verified for ${courses} course(s)`)
  return {
    done: kept.length === 0 ? verified : { ...verified, body: { ...verified.body, kept } },
    kept: wrong('The buyer could not be withdrawn from every course. Ask the operator about the delivery'),
    failed: refusal(NOT_YET),
  }[withdrawn]
}

const done = (status: number, message: string) => ({ status, body: { success: true, message } })
