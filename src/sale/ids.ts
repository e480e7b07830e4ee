import { randomUUID } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const ID = new RegExp(`^[${ALPHABET}]{26}$`)
const TIME_LENGTH = 10
const COUNTER_LENGTH = 4
const COUNTER_LIMIT = 32 ** COUNTER_LENGTH

/**
 * Makes ULIDs (26 characters, Crockford's base 32). They sort by time and, within one process, in the order in which
 * they were made, even if the clock steps back. An id holds 48 bits of time, a counter of 20 bits, and 48 random bits
 * in its last 12 characters.
 */
export function createIds({ now }: { now: () => number }): () => string {
  let last = 0
  let next = 0
  return () => {
    const at = Math.max(now(), last)
    if (at > last) next = 0
    last = at
    if (next === COUNTER_LIMIT) {
      last++
      next = 0
    }
    return idAt(last, next++)
  }
}

// The last part of a UUID is 12 random hex digits, and Crockford's alphabet has all of these. Node.js generates many
// UUIDs at once, so this is cheaper than random bytes of our own.
const idAt = (at: number, number: number): string =>
  idPrefix(at) + base32(number, COUNTER_LENGTH) + randomUUID().slice(-12).toUpperCase()

/** Whether a text has the form of an id; a text of another form names no delivery. */
export const isId = (text: string): boolean => ID.test(text)

/** The prefix of every id that is made at this time (ms since 1970). It sorts before all ids that are made later. */
export const idPrefix = (at: number): string => base32(at, TIME_LENGTH)

/** Returns when an id was made, ms since 1970. */
export const idTime = (id: string): number =>
  [...id.slice(0, TIME_LENGTH)].reduce((sum, character) => sum * 32 + ALPHABET.indexOf(character), 0)

function base32(value: number, length: number): string {
  let rest = value
  let text = ''
  for (let i = 0; i < length; i++) {
    text = ALPHABET.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}
