import { randomUUID } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_LENGTH = 10
const COUNTER_LENGTH = 4
const COUNTER_LIMIT = 32 ** COUNTER_LENGTH

/** Ids that are reserved for another thread: `count` of them, from the number `from` within the time `at` (ms). */
export interface IdBlock {
  readonly at: number
  readonly from: number
  readonly count: number
}

export interface NewId {
  (): string
  /** Reserves the next `count` ids, at most a million; see idsOf. */
  block(count: number): IdBlock
}

/**
 * Makes ULIDs (26 characters, Crockford's base 32). They sort by time and, within one process, in the order in which
 * they were made, even if the clock steps back. An id holds 48 bits of time, a counter of 20 bits, and 48 random bits
 * in its last 12 characters.
 */
export function createIds({ now }: { now: () => number }): NewId {
  let last = 0
  let next = 0
  const block = (count: number): IdBlock => {
    const at = Math.max(now(), last)
    const from = at === last ? next : 0
    if (from + count > COUNTER_LIMIT) {
      last = at + 1
      next = count
      return { at: last, from: 0, count }
    }
    last = at
    next = from + count
    return { at, from, count }
  }
  const newId = (): string => {
    const { at, from } = block(1)
    return idAt(at, from)
  }
  return Object.assign(newId, { block })
}

/** Returns a function that makes the ids of a block, in order. It throws when all of them are used. */
export function idsOf({ at, from, count }: IdBlock): () => string {
  let used = 0
  return () => {
    if (used === count) throw new Error(`all ${count} ids that were reserved are used`)
    return idAt(at, from + used++)
  }
}

// The last part of a UUID is 12 random hex digits, and Crockford's alphabet has all of these. Node.js generates many
// UUIDs at once, so this is cheaper than random bytes of our own.
const idAt = (at: number, number: number): string =>
  idPrefix(at) + base32(number, COUNTER_LENGTH) + randomUUID().slice(-12).toUpperCase()

/** The prefix of every id that is made at this time (ms since 1970). It sorts before all ids that are made later. */
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
