import { z } from 'zod'
import { type Answer, readOk } from '../client/answer.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'

const ENDPOINT = '/heartbeat'

/** At least one part has to report that it is up: `{}` comes from something else. */
const heartbeat = z
  .record(z.string(), z.object({ status: z.literal(true) }))
  .refine((parts) => Object.keys(parts).length > 0)

/** Asks whether the LMS and its databases are up. Needs no token and isn't throttled. */
export function heartbeatRequest(): LmsRequest {
  return { method: 'GET', endpoint: ENDPOINT, path: ENDPOINT, body: null }
}

/** Recorded: bulk-enroll-off.json, 'heartbeat'. */
export function judgeHeartbeat(answer: Answer): Judged<true> {
  const read = readOk(answer, ENDPOINT, heartbeat)
  return read.ok ? succeeded(true) : read
}
