import { sign } from '../src/shop/signature/signature.ts'
import { postRequest } from './http-client.ts'
import { SECRET } from './processes.ts'
import { courseKey, emailOf } from './world.ts'

export interface Sale {
  readonly email: string
  readonly courseIds: readonly string[]
}

const PATH = '/api/lernito/webhook/'

/** Returns `count` sales of course 0, one to each person, starting with person number `from`. */
export function salesOfOneCourse({ count, from = 0 }: { count: number; from?: number }): Sale[] {
  return Array.from({ length: count }, (_, n) => ({ email: emailOf(from + n), courseIds: [courseKey(0)] }))
}

/** Returns `count` sales of 1 to 3 of the `courses` courses, one to each person; the same in every run. */
export function salesOfManyCourses({ count, courses }: { count: number; courses: number }): Sale[] {
  const random = seeded(20_260_131)
  return Array.from({ length: count }, (_, n) => {
    const size = 1 + Math.floor(random() * 3)
    const chosen = new Set<number>()
    while (chosen.size < size) chosen.add(Math.floor(random() * courses))
    return { email: emailOf(n), courseIds: [...chosen].map(courseKey) }
  })
}

/** Returns webhooks as the shop sends them, signed in the original's form, as whole requests, so that sending is cheap. */
export function webhooks({ url, sales }: { url: string; sales: readonly Sale[] }): Buffer[] {
  return sales.map(({ email, courseIds }) => {
    const body = JSON.stringify({ email, name: 'Ada', family: 'Lovelace', username: 'ada.lovelace', courseIds })
    const signature = sign({ body, form: 'original', secret: SECRET })
    return postRequest({ url: url + PATH, headers: { 'x-lernito-signature': signature }, body })
  })
}

/** Returns a webhook without a signature. */
export function unsignedWebhook({ url }: { url: string }): Buffer {
  const body = JSON.stringify({ email: emailOf(0), name: 'A', family: 'B', username: 'c', courseIds: [courseKey(0)] })
  return postRequest({ url: url + PATH, body })
}

/** Mulberry32: pseudo-random numbers from 0 to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
