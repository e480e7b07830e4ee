import { setTimeout as delay } from 'node:timers/promises'
import type { LmsCall, Reply } from '../fault-proxy.ts'
import type { Chance } from './chance.ts'
import { names, textOf } from './faults.ts'
import type { Record } from './record.ts'

/**
 * How late the LMS carries out a call that the service has given up, ms. A real one may take a minute more than the
 * service waits.
 */
const LEAST_MS = 5000
export const MOST_MS = Number(process.env.HISTORY_LATE_MS ?? 20_000)

/** The calls that the LMS carries out although the service no longer waits for them. */
export function createLateCalls({ record }: { record: Record }) {
  const open = new Set<{ readonly call: LmsCall; readonly at: number; isCarriedOut: boolean }>()
  return {
    /** The reply to a call whose connection ends after `cut`, and which the LMS carries out later. */
    reply: (call: LmsCall, { chance, cut }: { chance: Chance; cut: Promise<unknown> }): Reply => {
      const ms = chance.between(Math.min(LEAST_MS, MOST_MS), MOST_MS)
      const one = { call, at: Date.now(), isCarriedOut: false }
      open.add(one)
      record.count('calls carried out late')
      void delay(ms).then(async () => {
        one.isCarriedOut = true
        await call.forward()
        open.delete(one)
      })
      return (response) => void cut.then(() => response.destroy())
    },

    /** When the late call came whose change the LMS commits now; null if it is no such change. */
    cameAt: ({ email, course }: { email: string; course: string }): number | null => {
      const found = [...open].find(
        ({ call, isCarriedOut }) => isCarriedOut && names(call, email) && textOf(call).includes(course),
      )
      return found?.at ?? null
    },

    /** How many are still to be carried out; for one person, if an address is given. */
    left: (email?: string): number =>
      email === undefined ? open.size : [...open].filter(({ call }) => names(call, email)).length,
  }
}
