import { setTimeout as delay } from 'node:timers/promises'
import { openConnection } from './http-client.ts'
import { authorize, enroll } from './lms-client.ts'

export interface CallPerPerson {
  readonly seconds: number
  readonly calls: number
  /** The Retry-After of each 429, in seconds; the client waited as long. */
  readonly waits: readonly number[]
}

/**
 * A typical client of a shop: it gets a token, then makes one call for each person, a few at once. After a 429 all wait
 * as long as its Retry-After says. It ends when all people are enrolled. The original is not such a client: it runs
 * inside the LMS, and no throttle counts its calls.
 */
export async function callPerPerson({
  lmsUrl,
  emails,
  course,
  atOnce = 2,
}: {
  lmsUrl: string
  emails: readonly string[]
  course: string
  atOnce?: number
}): Promise<CallPerPerson> {
  const began = performance.now()
  const authorization = await authorize(lmsUrl)
  const left = [...emails]
  const waits: number[] = []
  let calls = 0
  let pause: Promise<void> | null = null

  const wait = async (seconds: number): Promise<void> => {
    waits.push(seconds)
    await delay(seconds * 1000)
    pause = null
  }
  const lane = async (): Promise<void> => {
    const connection = await openConnection(lmsUrl)
    for (let email = left.shift(); email !== undefined; email = left.shift()) {
      const { status, retryAfter } = await connection.send(enroll({ lmsUrl, authorization, emails: [email], course }))
      if (status === 429) {
        left.unshift(email)
        pause ??= wait(retryAfter ?? 60)
        await pause
      } else if (status === 200) calls++
      else throw new Error(`the stand-in answered ${status} to a call for one person`)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return { seconds: (performance.now() - began) / 1000, calls, waits }
}
