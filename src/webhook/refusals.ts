import { networkOf } from '../network.ts'

/** So many addresses are told apart, whoever has more of them: the memory is bounded. */
const ADDRESSES_MAX = 1000
/** So many refusals of an address, and so many in all, are worth a log line of their own in a minute. */
const SINGLE_MAX = 5
const SINGLE_MAX_IN_ALL = 100
/** So many addresses are named at the end of a minute; the others share one line. */
const NAMED_MAX = 10
/** What was refused so long ago counts half when it is asked who floods most. */
const HALF_LIFE_MS = 10 * 60_000
const FORGOTTEN_MS = 24 * 3_600_000

type Counts = Record<string, number>

/** What was refused of an address since `since` (ms since 1970). */
export interface Refuser {
  readonly address: string
  readonly refused: number
  readonly codes: Readonly<Counts>
  readonly since: number
  readonly lastAt: number
}

/** What was refused of one address in a minute, or of several together: then `address` is null. `text` says it. */
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
  /** What it weighs, as a base 2 logarithm reckoned for 1970: entries can be compared whatever the time is. */
  score: number
  minute: Counts
  singles: number
}

/**
 * Counts by address what is refused without being stored, under codes of which there are few. If there is no room, the
 * address that weighs least gives way: a thousand that come once push out one another, and not the one that floods.
 */
export function createRefusals({ of, now }: { of: 'webhooks' | 'requests'; now: () => number }) {
  const entries = new Map<string, Entry>()
  let singles = 0
  let others = noOthers()

  const entryOf = (address: string, at: number): Entry => {
    const known = entries.get(address)
    if (known !== undefined) return known
    const least = entries.size < ADDRESSES_MAX ? undefined : leastOf(entries.values())
    if (least !== undefined) entries.delete(least.address)
    if (least !== undefined && isFlood(least)) addTo(others, least)
    const entry = { address, since: at, lastAt: at, codes: {}, score: Number.NEGATIVE_INFINITY, minute: {}, singles: 0 }
    entries.set(address, entry)
    return entry
  }

  return {
    /** Counts one. True: it is one of too many for a log line each, and will be in what endMinute gives. */
    note: ({ code, ip = '' }: { code: string; ip?: string | undefined }): boolean => {
      const at = now()
      const entry = entryOf(networkOf(ip), at)
      for (const counts of [entry.codes, entry.minute]) add(counts, code)
      entry.lastAt = at
      entry.score = at / HALF_LIFE_MS + Math.log2(2 ** (entry.score - at / HALF_LIFE_MS) + 1)
      if (entry.singles === SINGLE_MAX || singles === SINGLE_MAX_IN_ALL) return true
      entry.singles++
      singles++
      return false
    },

    /**
     * To be called every minute. Gives the addresses of which more was refused than is told singly, the largest first,
     * and one entry for those that nobody tells apart any more; then it begins anew.
     */
    endMinute: (): Flood[] => {
      const floods = [...entries.values()].filter(isFlood).sort((a, b) => countOf(b.minute) - countOf(a.minute))
      const named = floods.slice(0, NAMED_MAX).map(({ address, minute }) => floodOf(of, address, minute))
      for (const entry of floods.slice(NAMED_MAX)) addTo(others, entry)
      const shared = others.addresses === 0 ? [] : [floodOf(of, others, others.minute)]
      for (const entry of entries.values()) {
        entry.minute = {}
        entry.singles = 0
        if (entry.lastAt < now() - FORGOTTEN_MS) entries.delete(entry.address)
      }
      singles = 0
      others = noOthers()
      return [...named, ...shared]
    },

    /** Of which addresses most was refused lately, those first. */
    top: (count: number): Refuser[] =>
      [...entries.values()]
        .sort((a, b) => b.score - a.score)
        .slice(0, count)
        .map(({ address, codes, since, lastAt }) => ({
          address,
          refused: countOf(codes),
          codes: { ...codes },
          since,
          lastAt,
        })),
  }
}
export type Refusals = ReturnType<typeof createRefusals>

function leastOf(entries: Iterable<Entry>): Entry | undefined {
  let least: Entry | undefined
  for (const entry of entries) if (least === undefined || entry.score < least.score) least = entry
  return least
}

const isFlood = ({ minute, singles }: Entry): boolean => countOf(minute) > singles

const countOf = (counts: Counts): number => Object.values(counts).reduce((total, count) => total + count, 0)

function add(counts: Counts, code: string, count = 1): void {
  counts[code] = (counts[code] ?? 0) + count
}

/** Addresses that nobody tells apart. */
interface Others {
  addresses: number
  readonly minute: Counts
}

const noOthers = (): Others => ({ addresses: 0, minute: {} })

function addTo(others: Others, { minute }: Entry): void {
  others.addresses++
  for (const [code, count] of Object.entries(minute)) add(others.minute, code, count)
}

function floodOf(of: string, whom: string | Others, minute: Readonly<Counts>): Flood {
  const [address, words] = typeof whom === 'string' ? [whom, whom] : [null, `${whom.addresses} other addresses`]
  const refused = countOf(minute)
  const codes = Object.entries(minute).sort(([, a], [, b]) => b - a)
  const why = codes.map(([code, count]) => `${code} ${count}`).join(', ')
  return { address, refused, text: `refused ${refused} ${of} from ${words} in the last minute: ${why}` }
}
