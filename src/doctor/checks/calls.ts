import type { Answer } from '../../lms/client/answer.ts'
import type { Endpoint, Failure, Judged } from '../../lms/client/failure.ts'
import type { LmsRequest } from '../../lms/client/transport.ts'
import { type Problem, problem } from '../causes/causes.ts'
import type { Facts, Tools } from '../check.ts'
import type { Unreached } from './probe.ts'

/** Makes one call as the service user that changes nothing, and judges the answer as the service does. */
export async function call<T>(of: {
  facts: Pick<Facts, 'settings' | 'lms.token'>
  tools: Tools
  request: LmsRequest
  judge: (answer: Answer) => Judged<T>
}): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem }> {
  const { facts, tools, request, judge } = of
  const { settings, 'lms.token': token } = facts
  const response = await tools.askLms({ settings, request, token: token.value })
  if (!response.ok) return { ok: false, problem: unreachedCall(response, request.endpoint) }
  const judged = judge(response.answer)
  return judged.ok ? judged : { ok: false, problem: callProblem(judged.failure) }
}

/** The problem with an LMS that answers its heartbeat, but not this call. */
export function unreachedCall({ obstacle, code }: Unreached, endpoint: Endpoint): Problem {
  if (obstacle === 'timeout') return problem('call.timeout', { endpoint })
  return problem('call.failed', { message: `The connection ends without an answer from ${endpoint} (${code})` })
}

/** The problem behind the failure of a call that isn't about a person or a course. */
export function callProblem({ kind, endpoint, status, message }: Failure): Problem {
  if (kind === 'throttled') return problem('call.throttled', { endpoint })
  if (kind === 'unauthorized') return problem('call.token_refused', { endpoint })
  if (kind === 'misconfigured' && status === 403) return problem('call.forbidden', { endpoint, status: String(status) })
  if (kind === 'misconfigured' && status === 404) return problem('call.missing', { endpoint })
  return problem('call.failed', { message })
}
