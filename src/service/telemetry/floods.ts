import { networkOf } from '../lib/network.ts'

/** How many networks are counted at a time, so that a sender with more of them can't fill the memory. */
const NETWORKS_MAX = 200
/** In place of the address, for all further networks together. */
const OTHERS = null
/** How many refusals get their own log line in a minute: from one network, and in total. */
const SINGLE_MAX = 5
const SINGLE_MAX_TOTAL = 100
/** How many networks get their own line at the end of a minute; the others share one line. */
const NAMED_MAX = 10

/** What was refused in this minute from one network, or from several. */
interface Entry {
  readonly address: string | typeof OTHERS
  readonly codes: Record<string, number>
  refused: number
  /** How many of these refusals got their own log line. */
  singles: number
}

/**
 * Counts for the log what is refused, by network and in memory, so that a flood gets a few lines a minute. The codes must be
 * few. Of very many networks, the first of each minute are told apart: one that floods is among them, because it comes often.
 * @param from.of what is refused, for the log line
 */
export function createFloodLog({ of }: { of: 'webhooks' | 'requests' }) {
  let entries = new Map<string | typeof OTHERS, Entry>()
  let singles = 0

  const entryOf = (network: string): Entry => {
    const address = entries.has(network) || entries.size < NETWORKS_MAX ? network : OTHERS
    const entry = entries.get(address) ?? { address, codes: {}, refused: 0, singles: 0 }
    entries.set(address, entry)
    return entry
  }

  return {
    /** Counts one refusal. True if it is one of too many for a log line each: endMinute reports it. */
    refuse: ({ code, ip = '' }: { code: string; ip?: string | undefined }): boolean => {
      const entry = entryOf(networkOf(ip))
      entry.codes[code] = (entry.codes[code] ?? 0) + 1
      entry.refused++
      if (entry.singles === SINGLE_MAX || singles === SINGLE_MAX_TOTAL) return true
      entry.singles++
      singles++
      return false
    },

    /**
     * Ends a minute; call it once a minute. Returns the networks with refusals that got no log line, the largest number
     * first, and one more entry for all networks beyond the first ten.
     */
    endMinute: () => {
      const floods = [...entries.values()]
        .filter((entry) => entry.refused > entry.singles)
        .toSorted((a, b) => b.refused - a.refused)
      entries = new Map()
      singles = 0
      const named = floods.filter(({ address }) => address !== OTHERS).slice(0, NAMED_MAX)
      const rest = floods.filter((one) => !named.includes(one))
      return [...named.map((one) => [one]), rest].flatMap((some) => (some.length === 0 ? [] : floodOf(of, some)))
    },
  }
}

/** What was refused from one network, or from several together (`address` is null). `text` is for the log. */
function floodOf(of: string, entries: readonly Entry[]) {
  const [first, ...others] = entries
  const address = others.length === 0 ? (first?.address ?? OTHERS) : OTHERS
  const refused = entries.reduce((sum, one) => sum + one.refused, 0)
  const codes = new Map<string, number>()
  for (const [code, count] of entries.flatMap((one) => Object.entries(one.codes))) {
    codes.set(code, (codes.get(code) ?? 0) + count)
  }
  const byCode = [...codes].toSorted(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`)
  const sender = address ?? 'other addresses'
  return { address, refused, text: `refused ${refused} ${of} from ${sender} in the last minute: ${byCode.join(', ')}` }
}
