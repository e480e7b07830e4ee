import type { Answer } from '../openedx/answer.ts'
import type { Endpoint, Failure, Judged } from '../openedx/failure.ts'
import type { LmsRequest } from '../openedx/transport.ts'
import { type Problem, problem } from './causes.ts'
import type { Facts, Tools } from './check.ts'
import type { Unreached } from './probe.ts'

/** Makes one harmless call as the service user, and judges it as the service does. */
export async function call<T>(of: {
  facts: Pick<Facts, 'settings' | 'lms.token'>
  tools: Tools
  request: LmsRequest
  judge: (answer: Answer) => Judged<T>
}): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem }> {
  const { facts, tools, request, judge } = of
  const { settings, 'lms.token': token } = facts
  const heard = await tools.askLms({ settings, request, token: token.value })
  if (!heard.ok) return { ok: false, problem: unreachedCall(heard, request.endpoint) }
  const judged = judge(heard.answer)
  return judged.ok ? judged : { ok: false, problem: callProblem(judged.failure) }
}

/** The LMS answered its heartbeat, but not this call. */
export function unreachedCall({ hindrance, code }: Unreached, endpoint: Endpoint): Problem {
  if (hindrance === 'timeout') return problem('call.timeout', { endpoint })
  return problem('call.failed', { message: `The connection ends without an answer from ${endpoint} (${code})` })
}

/** What is behind the failure of a call that has nothing to do with a person or a course. */
export function callProblem({ kind, endpoint, status, message }: Failure): Problem {
  if (kind === 'throttled') return problem('call.throttled', { endpoint })
  if (kind === 'unauthorized') return problem('call.token_refused', { endpoint })
  if (kind === 'misconfigured' && status === 403) return problem('call.forbidden', { endpoint, status: String(status) })
  if (kind === 'misconfigured' && status === 404) return problem('call.missing', { endpoint })
  return problem('call.failed', { message })
}
