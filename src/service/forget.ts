import { setTimeout as delay } from 'node:timers/promises'
import type { ForgetAnswer, ForgetOrder } from '../console/parts.ts'
import type { CallContext } from '../enroll/pair.ts'
import type { ForgottenPerson } from '../operators/changes/forget.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import type { DeliveryEvent } from '../sale/types.ts'
import { forgetPerson } from './forget-person.ts'
import { AppError } from './lib/errors.ts'
import { NOT_STARTED } from './lms-calls.ts'

/** How long a page waits. Proxies give up after 30 s or more. */
const WAIT_MS = 20_000

interface ForgetParts {
  readonly opened: Pick<ReturnType<typeof openInbox>, 'database' | 'context' | 'availability'>
  /** The LMS and the call budget; null before the work has begun. */
  readonly access: () => CallContext | null
  /** Called with each event after it is stored. */
  readonly publish: (event: DeliveryEvent) => void
  /** Called with the error of a job that failed after its page had been answered. */
  readonly onLateError: (error: unknown) => void
  readonly waitMs?: number
}

/**
 * Erases people for the console. A job that takes longer than a page waits continues. The same order again waits for
 * the job that is in progress, so an operator can repeat it until there is a result. Throws AppError of the database.*
 * codes.
 */
export function createForget({ waitMs = WAIT_MS, ...parts }: ForgetParts) {
  const jobs = new Map<string, Promise<ForgottenPerson>>()

  return async (order: ForgetOrder): Promise<ForgetAnswer> => {
    const key = `${order.allowances} ${order.email.toLowerCase()}`
    const before = jobs.get(key)
    const job = before ?? runJob(parts, order).finally(() => jobs.delete(key))
    jobs.set(key, job)
    const timer = new AbortController()
    const late = delay(waitMs, null, { signal: timer.signal }).catch(() => null)
    const forgotten = await Promise.race([job, late])
      .catch(refused)
      .finally(() => timer.abort())
    if (forgotten !== null) return 'message' in forgotten ? forgotten : { kind: 'forgotten', ...forgotten }
    if (before === undefined) job.catch(parts.onLateError)
    return { kind: 'in_progress' }
  }
}

const refused = (error: unknown): Extract<ForgetAnswer, { kind: 'refused' }> => {
  if (error instanceof AppError && error.code === 'withdrawal.open') return { kind: 'refused', message: error.message }
  throw error
}

async function runJob(
  { opened: { context, database, availability }, access, publish }: ForgetParts,
  { email, by, allowances }: ForgetOrder,
): Promise<ForgottenPerson> {
  const calls = allowances ? access() : null
  const vacuum: typeof database.vacuum = (options) =>
    database.vacuum(options).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'database.busy') return false
      throw error
    })
  const forgotten = await availability.guard(() =>
    forgetPerson({ context, vacuum, email, by, compact: false, calls, publish }),
  )
  return allowances && calls === null ? { ...forgotten, failure: NOT_STARTED } : forgotten
}
