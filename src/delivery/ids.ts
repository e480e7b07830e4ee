import { randomUUID } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_LENGTH = 10
const COUNTER_LIMIT = 32 ** 4

/**
 * Makes ULIDs (26 characters, Crockford's base 32): they sort by time and, within one process, by the order in which
 * they were made, also when the clock steps back. 48 bits of time, 20 of a counter, 48 of chance in the last 12 characters.
 */
export function createIds({ now }: { now: () => number }): () => string {
  let last = 0
  let count = 0
  return () => {
    const at = Math.max(now(), last)
    count = at === last ? count + 1 : 0
    last = at
    if (count === COUNTER_LIMIT) {
      last++
      count = 0
    }
    // The last part of a UUID is 12 random hex digits, which are letters of Crockford's alphabet too; Node draws many
    // UUIDs at once, so this is cheaper than random bytes of our own.
    return idPrefix(last) + base32(count, 4) + randomUUID().slice(-12).toUpperCase()
  }
}

/** What every id begins with that is made at this time (ms since 1970), and sorts before all that are made later. */
export const idPrefix = (at: number): string => base32(at, TIME_LENGTH)

function base32(value: number, length: number): string {
  let rest = value
  let text = ''
  for (let i = 0; i < length; i++) {
    text = ALPHABET.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}
