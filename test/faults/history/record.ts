import { setTimeout as delay } from 'node:timers/promises'
import type { Effect } from '../../../src/stand-in/transactions.ts'

/** One POST of a sale. Times are ms since 1970; without an answer, `answeredAt` is the end of the connection. */
export interface Sending {
  readonly sentAt: number
  readonly replica: string
  answeredAt: number | null
  status: number | null
}

/** What the shop sold, once or again: each repeat has the same payload. */
export interface Sale {
  /** The payload's `name`, by which the stored delivery is found. */
  readonly name: string
  readonly email: string
  readonly courses: readonly string[]
  readonly sendings: Sending[]
  /** When it was first seen in the database. */
  storedAt: number | null
}

/** A change that the LMS kept. `beganAt` is when the call for it came in. */
export interface Kept extends Effect {
  readonly by: 'service' | 'operator'
  readonly beganAt: number
  readonly at: number
}

/** A call of the service, as it came in before the LMS. */
export interface Called {
  readonly at: number
  readonly replica: string
  readonly method: string
  readonly path: string
  readonly body: string
  /** The fault that it met. */
  readonly fault: string | null
}

/** All else that belongs to a person's history. */
interface Note {
  readonly at: number
  /** Whom it is about; null: everybody. */
  readonly email: string | null
  readonly text: string
}

export function createRecord() {
  const sales: Sale[] = []
  const kept: Kept[] = []
  const calls: Called[] = []
  const notes: Note[] = []
  const counts = new Map<string, number>()
  /** Who made an account, and whether it is active yet. */
  const registered = new Map<string, { isActive: boolean }>()
  return {
    sales,
    kept,
    calls,
    notes,
    counts,
    registered,
    count: (what: string): void => {
      counts.set(what, (counts.get(what) ?? 0) + 1)
    },
    note: (text: string, email: string | null = null): void => {
      notes.push({ at: Date.now(), email, text })
    },
  }
}
export type Record = ReturnType<typeof createRecord>

/** Whether `look` became true within `ms`, asked every `everyMs`. */
export async function within(ms: number, look: () => boolean | Promise<boolean>, everyMs = 20): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await delay(everyMs)) {
    if (await look()) return true
  }
  return false
}
