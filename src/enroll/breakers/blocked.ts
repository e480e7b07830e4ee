import type { Failure } from '../../lms/client/failure.ts'

/** A page that the LMS doesn't have: nothing carried out the call (recorded: bulk-enroll-off.json). */
const NO_SUCH_PAGE = 404

/** After this many attempts, two and a half minutes, a sale that something blocks needs attention. */
export const BLOCKED_ATTEMPTS = 4

/**
 * Whether an answer can be about this call alone: a web application firewall refuses one address or course key with the
 * same answers that an LMS gives to everybody if it is misconfigured. A probe has to decide.
 */
export const mayBeBlocked = ({ kind, status }: Failure): boolean =>
  (kind === 'misconfigured' || kind === 'unauthorized') && status !== null && status >= 300

/**
 * The failure of a call that was refused while the LMS answers another call of this user. A firewall may also refuse the
 * answer to a call that the LMS has carried out.
 * @param changes whether the call changes something
 */
export function asBlocked(failure: Failure, changes: boolean): Failure {
  const { endpoint, status } = failure
  return {
    ...failure,
    kind: 'blocked',
    message: `something in front of the LMS, such as a web application firewall, blocks this request and lets others through (${status} from ${endpoint}): allow it there`,
    mayHaveTakenEffect: changes && status !== NO_SUCH_PAGE,
  }
}
