/** The stable codes of all errors that this program reports. */
export type ErrorCode =
  | 'settings.invalid'
  | 'usage.invalid'
  | 'database.unreachable'
  | 'database.too_new'
  | 'database.too_old'
  | 'database.in_use'
  | 'database.busy'
  | 'database.lost'
  | 'lease.lost'
  | 'withdrawal.open'
  | 'delivery.unknown'
  | 'delivery.ambiguous'
  | 'address.in_use'
  | 'send.failed'
  | 'file.unreadable'
  | 'payload.unsignable'
  | 'sandbox.world_invalid'

/** The one error class. `message` tells a person what is wrong and what to do about it. */
export class AppError extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'AppError'
    this.code = code
  }
}

/** What a caught value says. Nearly always, it is an Error; any other value is written as it is. */
export const messageOf = (caught: unknown): string => (caught instanceof Error ? caught.message : String(caught))

/** Whether the error says only that the database is unavailable, which `Availability` already reports. */
export const isUnreachable = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'database.unreachable'

/** For what is asked again soon: gives nothing while the database is unavailable, and throws any other error again. */
export function noneIfUnreachable(error: unknown): never[] {
  if (isUnreachable(error)) return []
  throw error
}

/** Whether the error says only that this replica lost its lease: another one may have the work, which continues there. */
export const isLeaseLost = (error: unknown): error is AppError =>
  error instanceof AppError && error.code === 'lease.lost'
