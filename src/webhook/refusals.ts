import { networkOf } from '../network.ts'

/** How many addresses are counted at a time, so that a sender with more of them can't fill the memory. */
const ADDRESSES_MAX = 1000
/** How many refusals get their own log line in a minute: from one address, and in total. */
const SINGLE_MAX = 5
const SINGLE_MAX_TOTAL = 100
/** How many addresses get their own line at the end of a minute; the others share one line. */
const NAMED_MAX = 10

type Counts = Record<string, number>

/** What was refused in a minute from one address, or from several together (`address` is null). `text` is for the log. */
export interface Flood {
  readonly address: string | null
  readonly refused: number
  readonly text: string
}

interface Entry {
  readonly address: string
  readonly minute: Counts
  refused: number
  /** How many of these refusals got their own log line. */
  singles: number
}

/** Addresses that are no longer counted separately in this minute. */
interface Others {
  addresses: number
  readonly minute: Counts
}

/**
 * Counts by address what is refused without being stored, for a minute. The codes of the refusals must be few. When the
 * table is full, the address with the fewest refusals is dropped: a thousand addresses that come once each displace one
 * another, and not the one that floods.
 * @param from.of what is refused, for the log line
 */
export function createRefusals({ of }: { of: 'webhooks' | 'requests' }) {
  const entries = new Map<string, Entry>()
  let singles = 0
  let others = noOthers()

  const entryOf = (address: string): Entry => {
    const known = entries.get(address)
    if (known !== undefined) return known
    if (entries.size === ADDRESSES_MAX) dropLowest(entries, others)
    const added = { address, minute: {}, refused: 0, singles: 0 }
    entries.set(address, added)
    return added
  }

  return {
    /** Counts one refusal. True if it is one of too many for a log line each: endMinute reports it. */
    note: ({ code, ip = '' }: { code: string; ip?: string | undefined }): boolean => {
      const entry = entryOf(networkOf(ip))
      add(entry.minute, code)
      entry.refused++
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
      entries.clear()
      singles = 0
      others = noOthers()
      return floods
    },
  }
}
export type Refusals = ReturnType<typeof createRefusals>

/** Makes room for one address; what it floods in this minute is still reported, with the others. */
function dropLowest(entries: Map<string, Entry>, others: Others): void {
  let lowest: Entry | undefined
  for (const entry of entries.values()) if (lowest === undefined || entry.refused < lowest.refused) lowest = entry
  if (lowest === undefined) return
  entries.delete(lowest.address)
  if (isFlood(lowest)) addTo(others, lowest)
}

function floodsOf(from: { of: string; entries: ReadonlyMap<string, Entry>; others: Others }): Flood[] {
  const { of, entries, others } = from
  const floods = [...entries.values()].filter(isFlood).sort((a, b) => b.refused - a.refused)
  const named = floods.slice(0, NAMED_MAX).map(({ address, minute }) => floodOf(of, address, minute))
  for (const entry of floods.slice(NAMED_MAX)) addTo(others, entry)
  return others.addresses === 0 ? named : [...named, floodOf(of, others, others.minute)]
}

const isFlood = ({ refused, singles }: Entry): boolean => refused > singles

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
