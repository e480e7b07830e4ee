import { oneLine } from '../openedx/failure.ts'
import { LMS_CAUSES } from './causes-lms.ts'
import { type Cause, OUR_CAUSES } from './causes-ours.ts'
import { OUTSIDE_CAUSES } from './causes-outside.ts'

/** Everything that doctor can find, by a stable id. */
export const CAUSES = { ...OUR_CAUSES, ...LMS_CAUSES, ...OUTSIDE_CAUSES } as const
export type CauseId = keyof typeof CAUSES

/** Something that was found to be wrong. */
export interface Problem {
  readonly cause: CauseId
  readonly status: Cause['severity']
  readonly says: string
  /** What mends it; `tutor` is null where it makes no difference. */
  readonly mend: { readonly plain: string; readonly tutor: string | null }
}

/** The {names} in a text. */
type Blanks<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Blanks<Rest> : never

/** A cause with its blanks filled in. What fills them may come from anywhere and is made one harmless line. */
export function problem<Id extends CauseId>(
  cause: Id,
  blanks: Readonly<Record<Blanks<(typeof CAUSES)[Id]['says']>, string>>,
): Problem {
  const { severity, says, plain, tutor }: Cause = CAUSES[cause]
  const values = new Map<string, string>(Object.entries(blanks))
  const filled = says.replace(/\{(\w+)\}/g, (_blank, name: string) => oneLine(values.get(name) ?? ''))
  return { cause, status: severity, says: filled, mend: { plain, tutor } }
}
