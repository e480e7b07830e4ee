import { type Answer, jsonOf } from '../client/answer.ts'
import type { Ask, Send } from '../client/ask.ts'
import type { Permit } from '../client/budget.ts'
import { type Cache, createCache } from '../client/cache.ts'
import type { Judged } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'
import type { BatchAction, BatchAnswer } from './batch-answer.ts'
import {
  type BulkCall,
  bulkAvailableRequest,
  bulkEnrollRequest,
  judgeBulkAvailable,
  judgeBulkEnroll,
} from './bulk-enroll.ts'
import {
  judgeModify,
  judgeModifyAvailable,
  type ModifyCall,
  modifyAvailableRequest,
  modifyRequest,
} from './instructor-enrollments.ts'

/** How long to remember which APIs the LMS has. */
export const AVAILABILITY_MS = 5 * 60_000

/** The APIs that enroll several people in a call. */
export interface BatchCalls {
  /** Whether the LMS has bulk_enroll. Kept for 5 min, or until a bulk call shows that it has none. */
  bulkAvailable(): Promise<Judged<boolean>>
  /** @throws Error for an address that batchCanName rejects */
  bulkEnroll<A extends BatchAction>(permit: Permit, call: BulkCall<A>): Promise<Judged<BatchAnswer<A>>>
  /** Whether the LMS has enrollments/modify. Kept for 5 min, or until a call shows that it has none. */
  modifyAvailable(): Promise<Judged<boolean>>
  /**
   * Needs no permit, since the LMS doesn't throttle it (recorded: enrollments-modify.json, 'THROTTLE: …'). null if the
   * LMS has no such course.
   * @throws Error for what modifyRequest rejects
   */
  modify<A extends BatchAction>(call: ModifyCall<A>): Promise<Judged<BatchAnswer<A> | null>>
}

interface Parts {
  readonly ask: Ask
  readonly sendWithoutToken: Send
  readonly now: () => number
}

export function createBatchCalls(parts: Parts): BatchCalls {
  const { ask } = parts
  const bulk = availability({ ...parts, request: bulkAvailableRequest(), judge: judgeBulkAvailable })
  const modify = availability({ ...parts, request: modifyAvailableRequest(), judge: judgeModifyAvailable })
  return {
    bulkAvailable: () => bulk.get(''),
    async bulkEnroll(permit, call) {
      const request = bulkEnrollRequest(call)
      permit.spend()
      const judged = await ask(request, (answer) => judgeBulkEnroll(answer, call))
      if (!judged.ok && judged.failure.status === 404) bulk.forget('')
      return judged
    },
    modifyAvailable: () => modify.get(''),
    modify: (call) =>
      ask(modifyRequest(call), (answer) => {
        const isGone = answer.status === 404 && jsonOf(answer) === undefined
        if (isGone) modify.forget('')
        return judgeModify(answer, call)
      }),
  }
}

function availability({
  sendWithoutToken,
  now,
  request,
  judge,
}: Omit<Parts, 'ask'> & { request: LmsRequest; judge: (answer: Answer) => Judged<boolean> }): Cache<boolean> {
  return createCache<boolean>({
    now,
    max: 1,
    ttlMs: () => AVAILABILITY_MS,
    async load() {
      const sent = await sendWithoutToken(request)
      // Without a token, no call takes effect.
      if (!sent.ok) return { ok: false, failure: { ...sent.failure, mayHaveTakenEffect: false } }
      return judge(sent.value)
    },
  })
}
