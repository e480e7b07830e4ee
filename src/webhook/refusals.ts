import { networkOf } from '../network.ts'

/** How many addresses are counted at a time, so that a sender with more of them can't fill the memory. */
const ADDRESSES_MAX = 1000
/** How many refusals get their own log line in a minute: from one address, and in total. */
const SINGLE_MAX = 5
const SINGLE_MAX_TOTAL = 100
/** How many addresses get their own line at the end of a minute; the others share one line. */
const NAMED_MAX = 10
/** A refusal this long ago counts half when addresses are ranked. */
const HALF_LIFE_MS = 10 * 60_000
const FORGOTTEN_MS = 24 * 3_600_000

type Counts = Record<string, number>

/** What was refused from an address since `since` (ms since 1970), by code. */
export interface Refuser {
  readonly address: string
  readonly refused: number
  readonly codes: Readonly<Counts>
  readonly since: number
  readonly lastAt: number
}

/** What was refused in a minute from one address, or from several together (`address` is null). `text` is for the log. */
export interface Flood {
  readonly address: string | null
  readonly refused: number
  readonly text: string
}

interface Entry {
  readonly address: string
  readonly since: number
  readonly codes: Counts
  lastAt: number
  /** Its weight in the ranking, as a base 2 logarithm, scaled to 1970 so that entries compare at any time. */
  score: number
  minute: Counts
  /** How many refusals of this minute got their own log line. */
  singles: number
}

/** Addresses that are no longer counted separately in this minute. */
interface Others {
  addresses: number
  readonly minute: Counts
}

/**
 * Counts by address what is refused without being stored. The codes of the refusals must be few. When the table is full,
 * the address with the lowest score is dropped: a thousand addresses that come once each displace one another, and not
 * the one that floods.
 * @param from.of what is refused, for the log line
 * @param from.now in ms since 1970
 */
export function createRefusals({ of, now }: { of: 'webhooks' | 'requests'; now: () => number }) {
  const entries = new Map<string, Entry>()
  let singles = 0
  let others = noOthers()

  const entryOf = (address: string, at: number): Entry => {
    const known = entries.get(address)
    if (known !== undefined) return known
    if (entries.size === ADDRESSES_MAX) dropLowest(entries, others)
    const added = newEntry(address, at)
    entries.set(address, added)
    return added
  }

  return {
    /** Counts one refusal. True if it is one of too many for a log line each: endMinute reports it. */
    note: ({ code, ip = '' }: { code: string; ip?: string | undefined }): boolean => {
      const at = now()
      const entry = entryOf(networkOf(ip), at)
      countRefusal(entry, code, at)
      if (entry.singles === SINGLE_MAX || singles === SINGLE_MAX_TOTAL) return true
      entry.singles++
      singles++
      return false
    },

    /**
     * Ends a minute; call it once a minute. Returns the addresses with refusals that got no log line, the largest number
     * first, and one more entry for all addresses beyond the first ten.
     */
    endMinute: (): Flood[] => {
      const floods = floodsOf({ of, entries, others })
      startMinute(entries, now() - FORGOTTEN_MS)
      singles = 0
      others = noOthers()
      return floods
    },

    /** The `count` addresses with the most refusals lately, the highest score first. */
    top: (count: number): Refuser[] =>
      [...entries.values()]
        .sort((a, b) => b.score - a.score)
        .slice(0, count)
        .map(refuserOf),
  }
}
export type Refusals = ReturnType<typeof createRefusals>

function newEntry(address: string, at: number): Entry {
  return { address, since: at, lastAt: at, codes: {}, score: Number.NEGATIVE_INFINITY, minute: {}, singles: 0 }
}

function countRefusal(entry: Entry, code: string, at: number): void {
  for (const counts of [entry.codes, entry.minute]) add(counts, code)
  entry.lastAt = at
  entry.score = at / HALF_LIFE_MS + Math.log2(2 ** (entry.score - at / HALF_LIFE_MS) + 1)
}

/** Makes room for one address; what it floods in this minute is still reported, with the others. */
function dropLowest(entries: Map<string, Entry>, others: Others): void {
  let lowest: Entry | undefined
  for (const entry of entries.values()) if (lowest === undefined || entry.score < lowest.score) lowest = entry
  if (lowest === undefined) return
  entries.delete(lowest.address)
  if (isFlood(lowest)) addTo(others, lowest)
}

function floodsOf(from: { of: string; entries: ReadonlyMap<string, Entry>; others: Others }): Flood[] {
  const { of, entries, others } = from
  const floods = [...entries.values()].filter(isFlood).sort((a, b) => countOf(b.minute) - countOf(a.minute))
  const named = floods.slice(0, NAMED_MAX).map(({ address, minute }) => floodOf(of, address, minute))
  for (const entry of floods.slice(NAMED_MAX)) addTo(others, entry)
  return others.addresses === 0 ? named : [...named, floodOf(of, others, others.minute)]
}

function startMinute(entries: Map<string, Entry>, forgottenBefore: number): void {
  for (const entry of entries.values()) {
    entry.minute = {}
    entry.singles = 0
    if (entry.lastAt < forgottenBefore) entries.delete(entry.address)
  }
}

function refuserOf({ address, codes, since, lastAt }: Entry): Refuser {
  return { address, refused: countOf(codes), codes: { ...codes }, since, lastAt }
}

const isFlood = ({ minute, singles }: Entry): boolean => countOf(minute) > singles

const countOf = (counts: Counts): number => Object.values(counts).reduce((total, count) => total + count, 0)

function add(counts: Counts, code: string, count = 1): void {
  counts[code] = (counts[code] ?? 0) + count
}

const noOthers = (): Others => ({ addresses: 0, minute: {} })

function addTo(others: Others, { minute }: Entry): void {
  others.addresses++
  for (const [code, count] of Object.entries(minute)) add(others.minute, code, count)
}

function floodOf(of: string, source: string | Others, minute: Readonly<Counts>): Flood {
  const [address, name] = typeof source === 'string' ? [source, source] : [null, `${source.addresses} other addresses`]
  const refused = countOf(minute)
  const codes = Object.entries(minute).sort(([, a], [, b]) => b - a)
  const byCode = codes.map(([code, count]) => `${code} ${count}`).join(', ')
  return { address, refused, text: `refused ${refused} ${of} from ${name} in the last minute: ${byCode}` }
}
