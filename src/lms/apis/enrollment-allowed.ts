import { z } from 'zod'
import { type Answer, jsonOf, judgeOther, notUnderstood, readAs, readOk } from '../client/answer.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import { jsonBody, type LmsRequest } from '../client/transport.ts'
import { isSameAddress, maskAddress } from './accounts.ts'

/** With a slash at the end: without it, the LMS redirects (recorded: enrollment-allowed.json, 'no trailing slash'). */
const ENDPOINT = '/api/enrollment/v1/enrollment_allowed/'

/** A CourseEnrollmentAllowed of the LMS: the person who activates an account with this address gets the course. */
export interface Allowance {
  readonly course: string
  /** Without it, the allowance enrolls nobody. */
  readonly autoEnroll: boolean
  /** An account has enrolled through it. It has no further effect once that account is active: see mayStillEnroll. */
  readonly used: boolean
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
 * Whether the allowance may enroll the owner of this address later, also after it was used. A person who has not activated
 * is enrolled on activation by an allowance that they have used themselves, too (the LMS's source:
 * CourseEnrollmentAllowed.for_user), so a withdrawal has to delete it.
 * @param account.status that of the account with the address
 */
export const mayStillEnroll = ({ used, other }: Allowance, { status }: { readonly status: string }): boolean =>
  other === null && (!used || status === 'inactive')

const allowance = z.object({ email: z.string(), course_id: z.string(), auto_enroll: z.boolean(), user: z.unknown() })
const created = z.object({ course_id: z.string(), auto_enroll: z.literal(true) })
const message = z.object({ message: z.string() })

/** The LMS checks neither the address nor whether the course exists (recorded: 'no such course is not noticed'). */
export function allowRequest(of: { email: string; course: string }): LmsRequest {
  const body = jsonBody({ email: of.email, course_id: of.course, auto_enroll: true })
  return { method: 'POST', endpoint: ENDPOINT, path: ENDPOINT, body }
}

/**
 * `exists` says nothing about the allowance's auto_enroll (recorded: 'allow again with auto_enroll true: not
 * upgraded').
 */
export function judgeAllow(answer: Answer, asked: { course: string }): Judged<'created' | 'exists'> {
  if (answer.status === 201) {
    const read = readAs(answer, ENDPOINT, created)
    if (!read.ok) return read
    return read.value.course_id === asked.course ? succeeded('created') : notUnderstood(answer, ENDPOINT)
  }
  if (answer.status === 409 && hasMessage(answer)) return succeeded('exists')
  return judgeOther(answer, ENDPOINT)
}

/** Requests all allowances that the LMS finds for an address, used or not. */
export function allowancesRequest(of: { email: string }): LmsRequest {
  const query = new URLSearchParams({ email: of.email })
  return { method: 'GET', endpoint: ENDPOINT, path: `${ENDPOINT}?${query}`, body: null }
}

/** The list is empty for an address without allowances (recorded: enrollment-allowed.json, 'none yet'). */
export function judgeAllowances(answer: Answer, asked: { email: string }): Judged<readonly Allowance[]> {
  const read = readOk(answer, ENDPOINT, z.array(allowance))
  if (!read.ok) return read
  return succeeded(
    read.value.map(({ email, course_id, auto_enroll, user = null }) => {
      const other = isSameAddress(email, asked.email) ? null : maskAddress(email)
      return { course: course_id, autoEnroll: auto_enroll, used: user !== null, other }
    }),
  )
}

/** Deletes an allowance, so that it enrolls nobody who registers with the address later. */
export function disallowRequest(of: { email: string; course: string }): LmsRequest {
  const body = jsonBody({ email: of.email, course_id: of.course })
  return { method: 'DELETE', endpoint: ENDPOINT, path: ENDPOINT, body }
}

/** false if there was none (recorded: enrollment-allowed.json, 'delete again'). */
export function judgeDisallow(answer: Answer): Judged<boolean> {
  if (answer.status === 204) return succeeded(true)
  if (answer.status === 404 && hasMessage(answer)) return succeeded(false)
  return judgeOther(answer, ENDPOINT)
}

function hasMessage(answer: Answer): boolean {
  return message.safeParse(jsonOf(answer)).success
}
