import { authorize, enroll } from './lms-client.ts'
import { each, load } from './load.ts'

const PEOPLE_A_CALL = 50
const AT_ONCE = 2

/** People to be enrolled in one course of the stand-in. */
export interface Batches {
  readonly lmsUrl: string
  readonly emails: readonly string[]
  readonly course: string
}

/**
 * Enrolls these people in calls of 50, two at once, directly in the stand-in, to measure what the LMS can do. Returns the
 * time in seconds. Throws if a call is not answered 200.
 */
export async function directBatches({ lmsUrl, emails, course }: Batches): Promise<number> {
  const authorization = await authorize(lmsUrl)
  const calls = partsOf(emails, PEOPLE_A_CALL).map((part) => enroll({ lmsUrl, authorization, emails: part, course }))
  const { seconds, statuses } = await load({ url: lmsUrl, senders: AT_ONCE, next: each(calls) })
  if (statuses[200] !== calls.length) throw new Error(`not all were answered 200: ${JSON.stringify(statuses)}`)
  return seconds
}

function partsOf(emails: readonly string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(emails.length / size) }, (_, n) => emails.slice(n * size, (n + 1) * size))
}
