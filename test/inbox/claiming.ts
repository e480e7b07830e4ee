import { arrival, type Replica } from './harness.ts'

const running = new AbortController().signal

export const submit = async ({ inbox }: Replica, email: string, order = 1): Promise<string> =>
  (await inbox.submit(arrival({ email, order }), null)).id

/** Waits until there is something to be taken. */
export const claimIds = async ({ inbox }: Replica, max = 10, signal = running): Promise<string[]> =>
  (await inbox.claim(max, signal)).map(({ id }) => id)

/** What is there to be taken at this moment. */
export async function claimNow(bench: Replica): Promise<string[]> {
  const stop = new AbortController()
  const taking = claimIds(bench, 10, stop.signal)
  stop.abort() // what was begun before the abort is still given out
  return taking
}
