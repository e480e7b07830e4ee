import { z } from 'zod'
import { readOk } from '../client/answer.ts'
import { isInDoubt, type Judged } from '../client/failure.ts'
import { getRequest, type LmsCall } from '../client/transport.ts'

const ENDPOINT = '/heartbeat'

/** At least one part has to report that it is up: `{}` comes from something else. */
const heartbeat = z
  .record(z.string(), z.object({ status: z.literal(true) }))
  .refine((parts) => Object.keys(parts).length > 0)
  .transform(() => true as const)

/**
 * Asks whether the LMS and its databases are up. Needs no token and isn't throttled (recorded: bulk-enroll-off.json,
 * 'heartbeat').
 */
export const HEARTBEAT: LmsCall<true> = {
  ...getRequest(ENDPOINT),
  judge: (answer) => readOk(answer, heartbeat),
}

/** Whether the LMS is up, by its heartbeat. One that is kept from this service, as by a firewall, shows no outage. */
export const isUp = (heartbeat: Judged<true>): boolean => heartbeat.ok || !isInDoubt(heartbeat.failure)
