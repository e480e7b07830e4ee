import { certificateCall } from '../../lms/apis/certificates.ts'
import { gradesCall } from '../../lms/apis/grades.ts'
import type { LmsCall } from '../../lms/client/transport.ts'
import { check, failed, type Problem, passed, problem, skipped } from '../check.ts'
import { call } from './api.ts'

/** A person and a course that no LMS has: it then answers who may read, and tells nothing of anybody. */
const NOBODY = { username: 'lernito-doctor', course: 'course-v1:Lernito+Doctor+Nobody' }
const READS: readonly LmsCall<unknown>[] = [
  gradesCall({ course: NOBODY.course, usernames: [NOBODY.username] }),
  certificateCall(NOBODY),
]

/** The LMS lets its own user read, so a learner reads their own certificate without being staff. */
const OUTCOMES = check({
  id: 'lms.outcomes',
  about: 'whether the service user may read grades and certificates, for LERNITO_OUTCOMES',
  needs: ['settings', 'lms.token', 'lms.staff'],
  examine: async (facts, tools) => {
    if (facts.settings.LERNITO_OUTCOMES === 'off') return skipped('LERNITO_OUTCOMES is off, so nobody reads them')
    const problems: Problem[] = []
    for (const request of READS) {
      const read = await call({ facts, tools, request })
      if (!read.ok) problems.push(problemWith(read.problem, request.endpoint))
    }
    return problems.length > 0 ? failed(problems) : passed('read both for a person that nobody is')
  },
})

/** Sales go on without these APIs, so what to do differs from the other calls. */
function problemWith(found: Problem, endpoint: string): Problem {
  if (found.cause === 'call.forbidden') return problem('outcomes.forbidden', { endpoint })
  return found.cause === 'call.missing' ? problem('outcomes.missing', { endpoint }) : found
}

export const OUTCOMES_CHECKS = [OUTCOMES]
