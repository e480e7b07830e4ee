import { z } from 'zod'
import { oneLine } from '../lms/client/failure.ts'
import causes from './causes.json' with { type: 'json' }

/**
 * Everything that doctor can find, by where the cause is and by a stable id. `message` states the cause and its effect.
 * `blanks` names the {names} in it, each with an example: the compiler asks a check for their values. `plain` and `tutor`
 * state the fix: commands are in backquotes and hold nothing from outside, so that they are safe to copy. `tutor` is null
 * if the fix is the same with Tutor.
 */
export const CAUSE_GROUPS = causes
export const CAUSES = { ...causes.ours, ...causes.lms, ...causes.enrolling, ...causes.outside, ...causes.events }
export type CauseId = keyof typeof CAUSES

const causeSchema = z.object({
  severity: z.enum(['warning', 'failure']),
  message: z.string(),
  plain: z.string(),
  tutor: z.string().nullable(),
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
