import { authorize, enroll, search } from './lms-client.ts'
import { each, load } from './load.ts'

const PEOPLE_A_CALL = 50
const AT_ONCE = 2

/**
 * Enrolls these people in calls of 50, two at once, directly in the stand-in, to measure what the LMS can do. With
 * `searches`, a call that searches the accounts of a hundred people comes before every second one, as in the service.
 * Returns the time in seconds. Throws if a call is not answered 200.
 */
export async function directBatches({
  lmsUrl,
  emails,
  course,
  searches = false,
}: {
  lmsUrl: string
  emails: readonly string[]
  course: string
  searches?: boolean
}): Promise<number> {
  const authorization = await authorize(lmsUrl)
  const calls: Buffer[] = []
  for (let from = 0; from < emails.length; from += PEOPLE_A_CALL) {
    if (searches && from % (2 * PEOPLE_A_CALL) === 0) {
      calls.push(search({ lmsUrl, authorization, emails: emails.slice(from, from + 2 * PEOPLE_A_CALL) }))
    }
    calls.push(enroll({ lmsUrl, authorization, emails: emails.slice(from, from + PEOPLE_A_CALL), course }))
  }
  const { seconds, statuses } = await load({ url: lmsUrl, senders: AT_ONCE, next: each(calls) })
  if (statuses[200] !== calls.length) throw new Error(`not all were answered 200: ${JSON.stringify(statuses)}`)
  return seconds
}
