import { checkNow } from '../../../enroll/follow-up/check-now.ts'
import type { PageParts } from '../../parts.ts'

/** How long an operator waits for the call budget. */
const OPERATOR_WAITS_MS = 10_000

/**
 * Looks up deliveries in the LMS for an operator; see checkNow. It uses the client that the circuit breaker doesn't watch,
 * but not while the circuit breaker is open. Resolves to whether all of them could be looked up.
 */
export async function checkForOperator(
  { context, guard, unwatchedLms: lms, outage, budget, modeOf, signal }: PageParts,
  order: { ids: readonly string[]; by: string },
): Promise<boolean> {
  if (outage() !== null) return false
  let isBusy = false
  const acquire = () =>
    budget.acquire(AbortSignal.any([signal, AbortSignal.timeout(OPERATOR_WAITS_MS)])).catch((error: unknown) => {
      isBusy = true
      throw error
    })
  try {
    const checked = await guard(() => checkNow({ context, lms, modeOf, ...order, acquire }))
    return checked.every((one) => !('failure' in one))
  } catch (error) {
    if (isBusy) return false
    throw error
  }
}
