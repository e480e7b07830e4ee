import type { Answer } from '../client/answer.ts'
import type { Ask } from '../client/ask.ts'
import type { Permit } from '../client/budget.ts'
import type { Judged } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'
import * as enrollments from './enrollment.ts'
import * as allowances from './enrollment-allowed.ts'
import * as lists from './enrollment-list.ts'

/** The enrollment API, version 1. The LMS throttles all of it, so each call takes a permit. */
export interface SingleCalls {
  /** null if the person was never enrolled. */
  enrollment(permit: Permit, of: { username: string; course: string }): Promise<Judged<enrollments.Enrollment | null>>
  /** All enrollments of the account with this address, active or not. */
  enrollments(
    permit: Permit,
    of: { email: string },
  ): Promise<Judged<{ rows: readonly lists.EnrollmentRow[]; whole: boolean }>>
  /**
   * The enrollments of these people in one course, active or not.
   * @throws Error if they don't fit in one call: see groupsForCourseList
   */
  enrollmentsOfCourse(
    permit: Permit,
    of: { course: string; usernames: readonly string[] },
  ): Promise<Judged<readonly lists.EnrollmentRow[]>>
  /** `force`: see enrollRequest; true if absent. */
  enroll(
    permit: Permit,
    of: { username: string; course: string; mode: string | null; force?: boolean },
  ): Promise<Judged<{ active: boolean; mode: string }>>
  /** Enrolls nobody. Only for an enrollment in another mode: see changeModeRequest. */
  changeMode(
    permit: Permit,
    of: { username: string; course: string; mode: string },
  ): Promise<Judged<{ active: boolean; mode: string }>>
  /** Only for a person who has an enrollment: see unenrollRequest. */
  unenroll(permit: Permit, of: { username: string; course: string }): Promise<Judged<{ active: boolean; mode: string }>>
  allow(permit: Permit, of: { email: string; course: string }): Promise<Judged<'created' | 'exists'>>
  allowances(permit: Permit, of: { email: string }): Promise<Judged<readonly allowances.Allowance[]>>
  /** false if there was none. */
  disallow(permit: Permit, of: { email: string; course: string }): Promise<Judged<boolean>>
}

export function createSingleCalls(ask: Ask): SingleCalls {
  function spend<T>(permit: Permit, request: LmsRequest, judge: (answer: Answer) => Judged<T>): Promise<Judged<T>> {
    permit.spend()
    return ask(request, judge)
  }
  return {
    enrollment: (permit, of) =>
      spend(permit, enrollments.enrollmentRequest(of), (answer) => enrollments.judgeEnrollment(answer, of)),
    enrollments: (permit, of) => spend(permit, lists.enrollmentListRequest(of), lists.judgeEnrollmentList),
    enrollmentsOfCourse: (permit, of) =>
      spend(permit, lists.courseEnrollmentListRequest(of), (answer) => lists.judgeCourseEnrollmentList(answer, of)),
    enroll: (permit, of) =>
      spend(permit, enrollments.enrollRequest(of), (answer) => enrollments.judgeEnroll(answer, of)),
    changeMode: (permit, of) =>
      spend(permit, enrollments.changeModeRequest(of), (answer) => enrollments.judgeEnroll(answer, of)),
    unenroll: (permit, of) =>
      spend(permit, enrollments.unenrollRequest(of), (answer) => enrollments.judgeUnenroll(answer, of)),
    allow: (permit, of) => spend(permit, allowances.allowRequest(of), (answer) => allowances.judgeAllow(answer, of)),
    allowances: (permit, of) =>
      spend(permit, allowances.allowancesRequest(of), (answer) => allowances.judgeAllowances(answer, of)),
    disallow: (permit, of) => spend(permit, allowances.disallowRequest(of), allowances.judgeDisallow),
  }
}
