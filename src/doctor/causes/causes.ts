import { oneLine } from '../../lms/client/failure.ts'
import { ENROLLING_CAUSES } from './causes-enrolling.ts'
import { EVENTS_CAUSES } from './causes-events.ts'
import { LMS_CAUSES } from './causes-lms.ts'
import { type Cause, OUR_CAUSES } from './causes-ours.ts'
import { OUTSIDE_CAUSES } from './causes-outside.ts'

/** Everything that doctor can find, by a stable id. */
export const CAUSES = {
  ...OUR_CAUSES,
  ...LMS_CAUSES,
  ...ENROLLING_CAUSES,
  ...OUTSIDE_CAUSES,
  ...EVENTS_CAUSES,
} as const
export type CauseId = keyof typeof CAUSES

/** A cause that a check found. */
export interface Problem {
  readonly cause: CauseId
  readonly status: Cause['severity']
  /** The cause and its effect. */
  readonly message: string
  /** What to do; `tutor` is null if it is the same with Tutor. */
  readonly fix: { readonly plain: string; readonly tutor: string | null }
}

/** The {names} in a text. */
type Blanks<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Blanks<Rest> : never

/** A cause with its blanks filled in. The values may come from outside, so each becomes one safe line. */
export function problem<Id extends CauseId>(
  cause: Id,
  blanks: Readonly<Record<Blanks<(typeof CAUSES)[Id]['message']>, string>>,
): Problem {
  const { severity, message, plain, tutor }: Cause = CAUSES[cause]
  const values = new Map<string, string>(Object.entries(blanks))
  const filled = message.replace(/\{(\w+)\}/g, (_blank, name: string) => oneLine(values.get(name) ?? ''))
  return { cause, status: severity, message: filled, fix: { plain, tutor } }
}
