import type { Inspected, Inspection } from '../database/inspection.ts'
import type { Token } from '../openedx/token.ts'
import type { LmsRequest } from '../openedx/transport.ts'
import type { Settings } from '../settings/settings.ts'
import type { Problem } from './causes.ts'
import type { Probe, Reached, Unreached } from './probe.ts'

/** What checks hand on to those that need it, by the id of the check that finds it out. */
export interface Facts {
  readonly settings: Settings
  readonly database: Inspection
  /** The heartbeat's answer. */
  readonly lms: Reached
  readonly 'lms.token': Pick<Token, 'value' | 'username' | 'administrator' | 'active'>
  readonly 'lms.staff': true
  /** A course of the LMS; null: none is known. */
  readonly 'lms.courses': string | null
}

export type CheckId =
  | keyof Facts
  | 'webhook.secret'
  | 'database.level'
  | 'database.services'
  | 'database.clock'
  | 'lms.clock'
  | 'lms.accounts'
  | 'lms.enrollment'
  | 'lms.enrollment_list'
  | 'lms.enrollment_allowed'
  | 'lms.bulk_enroll'
  | 'lms.throttle'
  | 'lms.plugin'
  | 'console.application'
  | 'console.sign_in'
  | 'public_url'

/** What came of a check. `skipped`: it was not made, and `detail` says why. */
export interface Finding {
  readonly problems: readonly Problem[]
  /** What was found, in words. */
  readonly detail: string | null
  readonly skipped: boolean
  readonly gives: Partial<Facts>
}

/** What the checks work with; nothing of it changes anything. */
export interface Tools {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now: () => number
  readonly probe: Probe
  /** A request to the LMS at LERNITO_LMS_URL. */
  readonly askLms: (of: { settings: Settings; request: LmsRequest; token?: string }) => Promise<Reached | Unreached>
  readonly inspect: (settings: Settings) => Promise<Inspected>
}

export interface Check {
  readonly id: CheckId
  /** What is checked, in words. */
  readonly about: string
  readonly needs: readonly (keyof Facts)[]
  readonly run: (facts: Partial<Facts>, tools: Tools) => Promise<Finding>
}

/** Declares a check. It is skipped where something that it needs was not found out. */
export function check<Need extends keyof Facts>(of: {
  id: CheckId
  about: string
  needs: readonly Need[]
  look: (facts: Pick<Facts, Need>, tools: Tools) => Finding | Promise<Finding>
}): Check {
  const { id, about, needs, look } = of
  return {
    id,
    about,
    needs,
    run: async (facts, tools) => {
      if (hasAll(facts, needs)) return look(facts, tools)
      return skipped(`needs ${needs.find((need) => facts[need] === undefined)} first`)
    },
  }
}

function hasAll<Need extends keyof Facts>(
  facts: Partial<Facts>,
  needs: readonly Need[],
): facts is Partial<Facts> & Pick<Facts, Need> {
  return needs.every((need) => facts[need] !== undefined)
}

/** `detail`: what was found, in words. `gives`: what other checks need of it. */
export function well(detail: string, gives: Partial<Facts> = {}): Finding {
  return { problems: [], detail, skipped: false, gives }
}

/** What is found out in spite of the problems is given on all the same. */
export function ill(problems: readonly Problem[], gives: Partial<Facts> = {}): Finding {
  return { problems, detail: null, skipped: false, gives }
}

/** A check that was not made. */
export function skipped(why: string): Finding {
  return { problems: [], detail: why, skipped: true, gives: {} }
}
