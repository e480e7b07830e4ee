import { openConnection } from './http-client.ts'
import { openLeastStore } from './least-store.ts'
import { authorize, enroll, search } from './lms-client.ts'
import { each, load } from './load.ts'

const PEOPLE_A_CALL = 50
const AT_ONCE = 2
/** About what a delivery has in the service's table. */
const ROW_BYTES = 1000

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

/**
 * The same as the service has to do it: before every second call it searches the accounts of a hundred people, so that
 * nobody else is enrolled, and before and after each call it stores in `file` that the attempt begins and how it ended.
 */
export async function durableBatches({ file, ...batches }: Batches & { file: string }): Promise<number> {
  const { lmsUrl, emails, course } = batches
  const authorization = await authorize(lmsUrl)
  const { store, close } = await openLeastStore({ file })
  const body = Buffer.alloc(ROW_BYTES, 'x')
  for (const part of partsOf(emails, 200)) await store(part.map((digest) => ({ digest, body })))
  const parts = partsOf(emails, PEOPLE_A_CALL).entries()
  const lane = async (): Promise<void> => {
    const connection = await openConnection(lmsUrl)
    const call = async (request: Buffer): Promise<void> => {
      const { status } = await connection.send(request)
      if (status !== 200) throw new Error(`a call was answered ${status}`)
    }
    for (const [number, part] of parts) {
      const change = part.map((digest) => ({ digest, body: null }))
      const searched = emails.slice(number * PEOPLE_A_CALL, (number + 2) * PEOPLE_A_CALL)
      if (number % 2 === 0) await call(search({ lmsUrl, authorization, emails: searched }))
      await store(change)
      await call(enroll({ lmsUrl, authorization, emails: part, course }))
      await store(change)
    }
    connection.close()
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  const seconds = (performance.now() - began) / 1000
  await close()
  return seconds
}

function partsOf(emails: readonly string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(emails.length / size) }, (_, n) => emails.slice(n * size, (n + 1) * size))
}
