import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const COUNTER_LIMIT = 32 ** 4

/**
 * Makes ULIDs (26 characters, Crockford's base 32): they sort by time and, within one process, by the order in which
 * they were made, also when the clock steps back. 48 bits of time, 20 of a counter, 60 of chance.
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
    const chance = Array.from(randomBytes(12), (byte) => ALPHABET.charAt(byte & 31)).join('')
    return base32(last, 10) + base32(count, 4) + chance
  }
}

function base32(value: number, length: number): string {
  let rest = value
  let text = ''
  for (let i = 0; i < length; i++) {
    text = ALPHABET.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}
