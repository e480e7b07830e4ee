import type { Failure } from '../lms/client/failure.ts'

/**
 * Whether the LMS may carry out a failed call later than now. It has answered a 500 itself, and rolled the call back or
 * not. Statuses above may come from a proxy that stopped waiting.
 */
export const mayStillLand = ({
  mayHaveTakenEffect,
  status = null,
}: Pick<Failure, 'mayHaveTakenEffect'> & { readonly status?: number | null }): boolean =>
  mayHaveTakenEffect && (status === null || status > 500)
