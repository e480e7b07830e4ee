import { z } from 'zod'
import { hasShape, judgeOk, judgeOther, notUnderstood, readAs } from '../client/answer.ts'
import { succeeded } from '../client/failure.ts'
import { getRequest, jsonRequest, type LmsCall } from '../client/transport.ts'
import { isSameAddress, type KnownAccount, maskAddress } from './accounts.ts'

/** With a slash at the end: without it, the LMS redirects (recorded: enrollment-allowed.json, 'no trailing slash'). */
const ENDPOINT = '/api/enrollment/v1/enrollment_allowed/'

/** A CourseEnrollmentAllowed of the LMS: the person who activates an account with this address gets the course. */
export interface Allowance {
  readonly course: string
  /** Without it, the allowance enrolls nobody. */
  readonly autoEnroll: boolean
  /** An account has enrolled through it, so it enrolls no other one: see mayStillEnroll. */
  readonly used: boolean
  /** The LMS's number of that account; null if there is none, or if the LMS doesn't tell it. */
  readonly usedBy: number | null
  /**
   * The masked address of the allowance if it is another one, which the LMS's database takes for the requested address;
   * null if it is the requested one.
   */
  readonly other: string | null
}

/** Whether it is an allowance of this address, and no account has enrolled through it. */
export const isUnused = ({ used, other }: Allowance): boolean => !used && other === null

/** Whether the allowance enrolls the person who activates an account with this address. */
export const enrollsOnActivation = (one: Allowance): boolean => one.autoEnroll && isUnused(one)

/**
 * Whether the allowance may enroll the owner of this address later. A used one may, too: when its account is activated, or
 * has this address again, the LMS enrolls that account once more (Open edX, student/models/user.py,
 * `user_post_save_callback`). So a withdrawal has to delete it, as the LMS's own unenrolling does.
 */
export const mayStillEnroll = ({ other }: Allowance): boolean => other === null

/**
 * The allowance of this address for a course; undefined if there is none. The LMS's database ignores the letter case of a
 * key, even if its courses don't, so there is at most one.
 */
export const allowanceFor = (allowances: readonly Allowance[], course: string): Allowance | undefined =>
  allowances.find((one) => one.course.toLowerCase() === course.toLowerCase())

/**
 * The account that has used the allowance of this address for a course, whatever address it has by now; null if there is
 * none, or if the LMS doesn't tell it.
 */
export function userOfAllowance(allowances: readonly Allowance[], course: string): KnownAccount | null {
  const { other = null, usedBy = null } = allowanceFor(allowances, course) ?? {}
  return other !== null || usedBy === null ? null : { id: usedBy }
}

const allowances = z.array(
  z.object({ email: z.string(), course_id: z.string(), auto_enroll: z.boolean(), user: z.unknown() }),
)
const created = z.object({ course_id: z.string(), auto_enroll: z.literal(true) })
const message = z.object({ message: z.string() })

/**
 * Creates an allowance. The LMS checks neither the address nor whether the course exists (recorded: 'no such course is not
 * noticed'). `exists` says nothing about the allowance's auto_enroll (recorded: 'allow again with auto_enroll true: not
 * upgraded').
 */
export const allowCall = (of: { email: string; course: string }): LmsCall<'created' | 'exists'> => ({
  ...jsonRequest({ endpoint: ENDPOINT, body: { email: of.email, course_id: of.course, auto_enroll: true } }),
  judge: (answer) => {
    if (answer.status === 201) {
      const read = readAs(answer, created)
      if (!read.ok) return read
      return read.value.course_id === of.course ? succeeded('created') : notUnderstood(answer)
    }
    return hasShape(answer, 409, message) ? succeeded('exists') : judgeOther(answer)
  },
})

/**
 * Requests all allowances that the LMS finds for an address, used or not. The list is empty for an address without any
 * (recorded: enrollment-allowed.json, 'none yet').
 */
export const allowancesCall = (of: { email: string }): LmsCall<readonly Allowance[]> => ({
  ...getRequest(ENDPOINT, { query: { email: of.email } }),
  judge: (answer) =>
    judgeOk(answer, allowances, (found) =>
      found.map(({ email, course_id, auto_enroll, user = null }) => {
        const other = isSameAddress(email, of.email) ? null : maskAddress(email)
        const usedBy = typeof user === 'number' ? user : null
        return { course: course_id, autoEnroll: auto_enroll, used: user !== null, usedBy, other }
      }),
    ),
})

/**
 * Deletes an allowance, so that it enrolls nobody who registers with the address later. false if there was none (recorded:
 * enrollment-allowed.json, 'delete again').
 */
export const disallowCall = (of: { email: string; course: string }): LmsCall<boolean> => ({
  ...jsonRequest({ method: 'DELETE', endpoint: ENDPOINT, body: { email: of.email, course_id: of.course } }),
  judge: (answer) => {
    if (answer.status === 204) return succeeded(true)
    return hasShape(answer, 404, message) ? succeeded(false) : judgeOther(answer)
  },
})
