import { z } from 'zod'
import type { Inspection } from '../database/inspect.ts'
import { oneLine } from '../lms/client/failure.ts'
import type { Token } from '../lms/client/token.ts'
import type { LmsRequest } from '../lms/client/transport.ts'
import type { Resolve } from '../service/lib/outgoing-call.ts'
import type { Settings } from '../service/settings/settings.ts'
import causes from './causes.json' with { type: 'json' }
import type { Probe, Reached, Unreached } from './checks/probe.ts'

/**
 * Everything that doctor can find, by where the cause is and by a stable id. Unless `severity` says that it is a warning, it
 * is a failure. `message` states the cause and its effect. `blanks` names the {names} in it, each with an example: the
 * compiler asks a check for their values. `plain` and `tutor` state the fix: commands are in backquotes and hold nothing
 * from outside, so that they are safe to copy. `tutor` is absent if the fix is the same with Tutor.
 */
export const CAUSE_GROUPS = causes
export const CAUSES = { ...causes.ours, ...causes.lms, ...causes.enrolling, ...causes.outside, ...causes.events }
export type CauseId = keyof typeof CAUSES

const causeSchema = z.object({
  severity: z.enum(['warning', 'failure']).default('failure'),
  message: z.string(),
  plain: z.string(),
  tutor: z.string().nullable().default(null),
})

type Cause = z.infer<typeof causeSchema>

/** A cause that a check found. */
export interface Problem {
  readonly cause: CauseId
  readonly status: Cause['severity']
  /** The cause and its effect. */
  readonly message: string
  /** What to do; `tutor` is null if it is the same with Tutor. */
  readonly fix: { readonly plain: string; readonly tutor: string | null }
}

type BlanksOf<Id extends CauseId> = (typeof CAUSES)[Id] extends { readonly blanks: infer Blanks } ? keyof Blanks : never
/** The {names} in the messages of one or several causes. */
type Blanks<Id extends CauseId> = Id extends CauseId ? BlanksOf<Id> : never

/** A cause with its blanks filled in. The values may come from outside, so each becomes one safe line. */
export function problem<Id extends CauseId>(cause: Id, blanks: Readonly<Record<Blanks<Id>, string>>): Problem {
  const { severity, message, plain, tutor } = causeSchema.parse(CAUSES[cause])
  const values = new Map<string, string>(Object.entries(blanks))
  const filled = message.replace(/\{(\w+)\}/g, (_blank, name: string) => oneLine(values.get(name) ?? ''))
  return { cause, status: severity, message: filled, fix: { plain, tutor } }
}

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
  /** The LMS has version 1 of the enrollment API, or none. */
  readonly 'lms.enrollment_version': true
  /** Whether the LMS has an API that enrolls several people in a call. */
  readonly 'lms.bulk_enroll': boolean
}

/** What a check came to, the most urgent first. */
export const CHECK_STATUSES = ['failure', 'warning', 'ok', 'skipped'] as const
export type CheckStatus = (typeof CHECK_STATUSES)[number]

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
  readonly askLms: (of: {
    settings: Settings
    request: LmsRequest
    token?: string | undefined
  }) => Promise<Reached | Unreached>
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
