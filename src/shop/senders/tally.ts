import type { SenderRow } from '../../database/schema.ts'
import { networkOf } from '../../service/lib/network.ts'

/** How many networks are counted at a time, so that a sender with more of them can't fill the memory. */
const NETWORKS_MAX = 200
/** The address of all further networks together. */
const OTHERS = ''
/** How many refusals get their own log line in a minute: from one network, and in total. */
const SINGLE_MAX = 5
const SINGLE_MAX_TOTAL = 100
/** How many networks get their own line at the end of a minute; the others share one line. */
const NAMED_MAX = 10

/** The results of webhooks with a valid signature; every other result is the code of a refusal. */
export const SIGNED = ['signed', 'signed_previous', 'id_reused'] as const

/** Whether a row is about signed webhooks, and not about refused ones. */
export const isSigned = ({ result }: Pick<SenderRow, 'result'>): boolean => SIGNED.some((one) => one === result)

/** What makes a row. */
export const keyOf = ({ address, result }: SenderRow): string => `${address} ${result}`

/** Adds a row: each network and result has one. */
export function putRow(rows: Map<string, SenderRow>, row: SenderRow): void {
  const known = rows.get(keyOf(row)) ?? { ...row, count: 0 }
  rows.set(keyOf(row), {
    ...known,
    first_at: Math.min(known.first_at, row.first_at),
    last_at: Math.max(known.last_at, row.last_at),
    count: known.count + row.count,
  })
}

type Counts = Record<string, number>

interface Entry {
  readonly address: string
  /** What is to be stored, by result. */
  readonly rows: Map<string, SenderRow>
  /** What was refused in this minute. */
  readonly minute: Counts
  refused: number
  /** How many of these refusals got their own log line. */
  singles: number
}

/**
 * Counts by network, in memory, what is refused, and which secret signed the rest: for the log, which reports a minute at
 * a time, and for the table of senders, which gets it every few seconds. The codes of the refusals must be few.
 * @param from.of what is refused, for the log line
 */
export function createTally({ of }: { of: 'webhooks' | 'requests' }) {
  const networks = createNetworks()
  let singles = 0
  const rows = (): SenderRow[] => networks.entries().flatMap((entry) => [...entry.rows.values()])

  return {
    /** Counts one refusal for the log. True if it is one of too many for a log line each: endMinute reports it. */
    refuse: ({ code, ip = '' }: { code: string; ip?: string | undefined }): boolean => {
      const entry = networks.entryOf(networkOf(ip))
      entry.minute[code] = (entry.minute[code] ?? 0) + 1
      entry.refused++
      if (entry.singles === SINGLE_MAX || singles === SINGLE_MAX_TOTAL) return true
      entry.singles++
      singles++
      return false
    },

    /** Counts one webhook for the table. `result`: see SenderRow; `at` is in ms since 1970. */
    add: ({ ip, result, at }: { ip: string; result: string; at: number }): void => {
      const address = networkOf(ip)
      putRow(networks.entryOf(address).rows, { address, result, first_at: at, last_at: at, count: 1 })
    },

    /** What was added since the last `take`. */
    rows,

    /** The same, to be stored: it is not counted any more. */
    take: (): SenderRow[] => {
      const taken = rows()
      for (const entry of networks.entries()) entry.rows.clear()
      return taken
    },

    /** Counts rows again that could not be stored. */
    putBack: (unstored: readonly SenderRow[]): void => {
      for (const row of unstored) putRow(networks.entryOf(row.address).rows, row)
    },

    /**
     * Ends a minute; call it once a minute. Returns the networks with refusals that got no log line, the largest number
     * first, and one more entry for all networks beyond the first ten.
     */
    endMinute: (): Flood[] => {
      singles = 0
      const { floods, others, displaced } = networks.endMinute()
      const lines = floods.slice(0, NAMED_MAX).map(({ address, minute }) => floodOf({ of, address, minute }))
      const rest = floods.slice(NAMED_MAX)
      for (const entry of rest) addMinute(others, entry)
      const count = displaced + rest.length
      return count === 0 ? lines : [...lines, floodOf({ of, address: null, networks: count, minute: others.minute })]
    },
  }
}
export type Tally = ReturnType<typeof createTally>

/**
 * The entries, one for each network. When there are too many, the one with the fewest refusals is counted with the
 * others: many that come once each displace one another, and neither one that floods nor one that knows the secret.
 */
function createNetworks() {
  let known = new Map<string, Entry>()
  let others = newEntry(OTHERS)
  /** How many networks that flooded in this minute were displaced. */
  let displaced = 0

  const displaceLowest = (): void => {
    let lowest: Entry | undefined
    for (const entry of known.values()) {
      if ([...entry.rows.values()].some(isSigned)) continue
      if (lowest === undefined || entry.refused < lowest.refused) lowest = entry
    }
    if (lowest === undefined) return
    known.delete(lowest.address)
    for (const row of lowest.rows.values()) putRow(others.rows, { ...row, address: OTHERS })
    if (!isFlood(lowest)) return
    displaced++
    addMinute(others, lowest)
  }

  return {
    entries: (): Entry[] => [...known.values(), others],
    entryOf: (address: string): Entry => {
      const entry = address === OTHERS ? others : known.get(address)
      if (entry !== undefined) return entry
      if (known.size >= NETWORKS_MAX) displaceLowest()
      const added = newEntry(address)
      known.set(address, added)
      return added
    },
    /** Begins another minute. Returns what this one had. What is to be stored stays. */
    endMinute: (): { floods: Entry[]; others: Entry; displaced: number } => {
      const floods = [...known.values()].filter(isFlood).sort((a, b) => b.refused - a.refused)
      const ended = { floods, others, displaced }
      const unstored = [...known.values()].filter(({ rows }) => rows.size > 0)
      known = new Map(unstored.map(({ address, rows }) => [address, { ...newEntry(address), rows }]))
      others = { ...newEntry(OTHERS), rows: others.rows }
      displaced = 0
      return ended
    },
  }
}

const newEntry = (address: string): Entry => ({ address, rows: new Map(), minute: {}, refused: 0, singles: 0 })

const isFlood = ({ refused, singles }: Entry): boolean => refused > singles

function addMinute({ minute: sum }: Entry, { minute }: Entry): void {
  for (const [code, count] of Object.entries(minute)) sum[code] = (sum[code] ?? 0) + count
}

/** What was refused in a minute from one network, or from several together (`address` is null). `text` is for the log. */
function floodOf(from: { of: string; address: string | null; networks?: number; minute: Readonly<Counts> }) {
  const { of, address, networks, minute } = from
  const refused = Object.values(minute).reduce((total, count) => total + count, 0)
  const codes = Object.entries(minute).sort(([, a], [, b]) => b - a)
  const byCode = codes.map(([code, count]) => `${code} ${count}`).join(', ')
  const sender = address ?? `${networks} other addresses`
  return { address, refused, text: `refused ${refused} ${of} from ${sender} in the last minute: ${byCode}` }
}
export type Flood = Readonly<ReturnType<typeof floodOf>>
