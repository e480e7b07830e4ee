import { setTimeout as delay } from 'node:timers/promises'
import type { Effect } from '../../../sandbox/lms/transactions.ts'

/** One POST of a sale. Times are in ms since 1970. Without an answer, `answeredAt` is when the connection ended. */
export interface Sending {
  readonly sentAt: number
  readonly replica: string
  answeredAt: number | null
  status: number | null
  /** Of a refund: the courses that a sale keeps, by the answer. */
  kept?: readonly string[]
}

/** A sale of the shop. Its repeats have the same payload. */
export interface Sale {
  /** The payload's `name`, by which the stored delivery is found. */
  readonly name: string
  readonly email: string
  readonly courses: readonly string[]
  readonly sendings: Sending[]
  /** When the test first saw it in the database. */
  storedAt: number | null
  /** The sale that an operator has corrected by this one; the shop never sent this one. */
  readonly corrects?: Sale
}

/** A refund that the shop asks the service for: the courses of one sale. It is sent again until it has a final answer. */
export interface Refund {
  /** The webhook-id. */
  readonly id: string
  readonly sale: Sale
  readonly sendings: Sending[]
}

/** The final answer to a refund: the first one that says more than to try again later. null: there is none yet. */
export const statusOf = ({ sendings }: Refund): number | null =>
  sendings.find(({ status }) => status !== null && status < 500)?.status ?? null

export const keyOf = (email: string, course: string): string => `${email.toLowerCase()} in ${course}`

/** An account that has another address since `at`, ms since 1970. `isTaken`: another person has the one that it left. */
export interface Moved {
  readonly from: string
  readonly to: string
  readonly at: number
  readonly isTaken: boolean
}

/** The address that the person has at the end who had this one at `at`. What is nobody's else is that person's, too. */
export const personAt = ({ moved }: Pick<Record, 'moved'>, email: string, at: number): string =>
  moved.find((one) => one.from === email && (at < one.at || !one.isTaken))?.to ?? email

/** The address that the buyer of a sale has at the end. */
export const buyerOf = (record: Pick<Record, 'moved'>, { email, sendings }: Sale): string =>
  personAt(record, email, sendings[0]?.sentAt ?? Number.POSITIVE_INFINITY)

/** The person of a change and its course, as keyOf gives it. */
export const keyOfKept = (record: Pick<Record, 'moved'>, { email, course, at }: Kept): string =>
  keyOf(personAt(record, email, at), course)

/** A change that the LMS committed. `beganAt` is when its call arrived, also if the LMS carried it out late. */
export interface Kept extends Effect {
  readonly by: 'service' | 'operator'
  readonly beganAt: number
  readonly at: number
}

/** A call of the service, as it arrived at the fault proxy. */
export interface Called {
  readonly at: number
  readonly replica: string
  readonly method: string
  readonly path: string
  readonly body: string
  /** The fault that it got. */
  readonly fault: string | null
}

/** Another entry of a person's history. */
interface Note {
  readonly at: number
  /** The person that it is about; null: everyone. */
  readonly email: string | null
  readonly text: string
}

export function createRecord() {
  const sales: Sale[] = []
  const refunds: Refund[] = []
  const kept: Kept[] = []
  const calls: Called[] = []
  const notes: Note[] = []
  const counts = new Map<string, number>()
  /** The people who registered, and whether their account is active. */
  const registered = new Map<string, { isActive: boolean }>()
  /** The buyers whose address is another person's username. */
  const namesakes = new Set<string>()
  const moved: Moved[] = []
  /** Whether the shop has to be told at the end that somebody's access has ended or not, by the sale and the course. */
  const access = new Map<Sale, Map<string, 'ended' | 'restored'>>()
  /** Who is enrolled where because the test has put them there, by `keyOf`. */
  const placed = new Set<string>()
  /** Enrollments that the LMS has lost, by `keyOf`. */
  const lost = new Set<string>()
  return {
    sales,
    refunds,
    kept,
    calls,
    notes,
    counts,
    registered,
    namesakes,
    moved,
    access,
    placed,
    lost,
    count: (what: string): void => {
      counts.set(what, (counts.get(what) ?? 0) + 1)
    },
    note: (text: string, email: string | null = null): void => {
      notes.push({ at: Date.now(), email, text })
    },
  }
}
export type Record = ReturnType<typeof createRecord>

/** Checks `look` every `everyMs`, and returns whether it became true within `ms`. */
export async function within(ms: number, look: () => boolean | Promise<boolean>, everyMs = 20): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await delay(everyMs)) {
    if (await look()) return true
  }
  return false
}
