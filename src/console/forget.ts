import type { CallContext } from '../enroll/pair.ts'
import type { ForgottenPerson } from '../operators/changes/forget.ts'
import type { AppContext } from '../queue/open-inbox.ts'
import { AppError } from '../service/lib/errors.ts'
import { within } from '../service/lib/loop.ts'
import { forgetPerson, type Vacuum } from './forget-person.ts'

/** How long a page waits. Proxies give up after 30 s or more. */
const WAIT_MS = 20_000

/** `allowances`: whether to delete the LMS's unused allowances for the address too. */
interface ForgetOrder {
  readonly email: string
  readonly by: string
  readonly allowances: boolean
}

/**
 * `in_progress`: it takes longer than a page waits, and continues. `refused`: a refund or a withdrawal for the person is to
 * be carried out first, as `message` says.
 */
export type ForgetAnswer =
  | ({ readonly kind: 'forgotten' } & ForgottenPerson)
  | { readonly kind: 'in_progress' }
  | { readonly kind: 'refused'; readonly message: string }

interface ForgetParts extends Pick<AppContext, 'context' | 'database' | 'guard'> {
  readonly calls: CallContext
  /** Called with the error of a job that failed after its page had been answered. */
  readonly onForgetFailed: (error: unknown) => void
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
    const forgotten = await within(waitMs, job).catch(refused)
    if (forgotten !== null) return 'message' in forgotten ? forgotten : { kind: 'forgotten', ...forgotten }
    if (before === undefined) job.catch(parts.onForgetFailed)
    return { kind: 'in_progress' }
  }
}

const refused = (error: unknown): Extract<ForgetAnswer, { kind: 'refused' }> => {
  if (error instanceof AppError && error.code === 'withdrawal.open') return { kind: 'refused', message: error.message }
  throw error
}

function runJob({ context, database, guard, calls }: ForgetParts, { email, by, allowances }: ForgetOrder) {
  const vacuum: Vacuum = (options) =>
    database.vacuum(options).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'database.busy') return false
      throw error
    })
  const how = { context, vacuum, compact: false, calls: allowances ? calls : null }
  return guard(() => forgetPerson({ ...how, email, by }))
}
