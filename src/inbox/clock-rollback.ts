/** Smaller steps are the clock's own trimming; nobody notices that something comes a second late. */
const NOTICED_MS = 1000

/**
 * Times are stored by the wall clock. When that is set back, what was to come at a time by the old clock would wait
 * until it comes again; so it is brought forward by as much. To be called again and again; a failure is made up for by
 * the next call.
 * @param from.hasten brings what is still to come forward by so many ms
 */
export function createSetBack({
  now,
  hasten,
}: {
  now: () => number
  hasten: (ms: number) => Promise<void>
}): () => Promise<void> {
  let last = now()
  return async () => {
    const at = now()
    const back = last - at
    if (back >= NOTICED_MS) await hasten(back)
    last = at
  }
}
