import type { Inspected, Inspection } from '../database/inspection.ts'
import type { Token } from '../lms/client/token.ts'
import type { LmsRequest } from '../lms/client/transport.ts'
import type { Resolve } from '../service/lib/public-lookup.ts'
import type { Settings } from '../service/settings/settings.ts'
import type { Problem } from './causes.ts'
import type { Probe, Reached, Unreached } from './checks/probe.ts'

/** What checks find out for other checks, by the id of the check that finds it. */
export interface Facts {
  readonly settings: Settings
  readonly database: Inspection
  /** The answer to the heartbeat. */
  readonly lms: Reached
  readonly 'lms.token': Pick<Token, 'value' | 'username' | 'administrator' | 'active'>
  readonly 'lms.staff': true
  /** The number of courses that the LMS lists, and the keys of some of them, open ones first; null if none is known. */
  readonly 'lms.courses': { readonly count: number; readonly keys: readonly [string, ...string[]] } | null
  /** Whether the LMS has an API that enrolls several people in a call. */
  readonly 'lms.bulk_enroll': boolean
}

/** The result of a check. `skipped`: it did not run, and `detail` says why. */
export interface Finding {
  readonly problems: readonly Problem[]
  /** What the check found; null if the problems say it. */
  readonly detail: string | null
  readonly skipped: boolean
  readonly gives: Partial<Facts>
}

/** What the checks work with. Nothing here changes anything. */
export interface Tools {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now: () => number
  readonly probe: Probe
  /** A request to the LMS at LERNITO_LMS_URL. */
  readonly askLms: (of: { settings: Settings; request: LmsRequest; token?: string }) => Promise<Reached | Unreached>
  readonly inspect: (settings: Settings) => Promise<Inspected>
  /** The limit for one connection, ms. */
  readonly callMs: number
  /** Looks up host names; absent: the system does. */
  readonly resolve?: Resolve | undefined
}

export interface Check<Id extends string = string> {
  readonly id: Id
  /** What the check is about, for people. */
  readonly about: string
  readonly needs: readonly (keyof Facts)[]
  readonly run: (facts: Partial<Facts>, tools: Tools) => Promise<Finding>
}

/** Declares a check. It is skipped if another check did not find what it needs. */
export function check<const Id extends string, Need extends keyof Facts>(of: {
  id: Id
  about: string
  needs: readonly Need[]
  examine: (facts: Pick<Facts, Need>, tools: Tools) => Finding | Promise<Finding>
}): Check<Id> {
  const { id, about, needs, examine } = of
  return {
    id,
    about,
    needs,
    run: async (facts, tools) => {
      if (hasAll(facts, needs)) return examine(facts, tools)
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

/** A check without problems. `detail`: what it found. `gives`: what other checks need from it. */
export function passed(detail: string, gives: Partial<Facts> = {}): Finding {
  return { problems: [], detail, skipped: false, gives }
}

/** A check that found problems. `gives`: what it found for other checks in spite of them. */
export function failed(problems: readonly Problem[], gives: Partial<Facts> = {}): Finding {
  return { problems, detail: null, skipped: false, gives }
}

/** A check that did not run, and why. */
export function skipped(why: string): Finding {
  return { problems: [], detail: why, skipped: true, gives: {} }
}
