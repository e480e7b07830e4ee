import { canonicalJson } from './canonical.ts'
import { SIGNATURE_FORMS, type SignatureForm, STYLES } from './forms.ts'
import { type Json, JsonSyntaxError, readJson } from './json.ts'
import { verify } from './signature.ts'

/** A change to the header, the body, or the secret after which the signature matches. */
export type Adjustment =
  | 'prefix'
  | 'upper_case'
  | 'base64'
  | 'white_space'
  | 'line_breaks'
  | 'last_line_break'
  | 'secret_line_break'

/** A text, other than the pasted body, over which the service accepts a signature. */
export interface Expected {
  readonly form: SignatureForm
  readonly text: string
  /** The first difference from the body, in characters from 0; null if there is none. */
  readonly differsAt: number | null
}

/** The result for a body and a header. It contains neither a secret nor a signature. */
export interface Examined {
  readonly match: { readonly form: SignatureForm; readonly previousSecret: boolean } | null
  /** What had to change for the match. Empty if the service accepts the header and the body as they are. */
  readonly adjustments: readonly Adjustment[]
  /** With these two, a page can explain why a header can't be a signature at all. */
  readonly headerLength: number
  readonly headerIsHex: boolean
  /** Why the body is not JSON. The service refuses such a body with 400, whatever its signature. */
  readonly notJson: string | null
  readonly expected: readonly Expected[]
}

/**
 * Finds the form of the body that a signature was made over, or the common mistake that explains why it matches none.
 * @param from.body as a browser sends a text field: with CRLF for each line break
 * @param from.header the value of X-Lernito-Signature
 * @param from.secrets the current one first
 */
export function examine(from: { body: string; header: string; secrets: readonly string[] }): Examined {
  const body = asSent(from.body)
  const json = jsonOf(body)
  const headers = readings(from.header)
  const texts = variants(body)
  const secrets = [...from.secrets, ...from.secrets.map((secret) => `${secret}\n`)]

  let found: Pick<Examined, 'match' | 'adjustments'> = { match: null, adjustments: [] }
  for (const header of headers) {
    for (const text of texts) {
      const match = verify({ body: text.body, json: json.value, header: header.value, secrets })
      if (match === null || found.match !== null) continue
      const index = match.secretIndex % from.secrets.length
      const secretAdjustment = match.secretIndex >= from.secrets.length ? (['secret_line_break'] as const) : []
      const textAdjustment = match.form === 'raw' ? text.adjustments : []
      found = {
        match: { form: match.form, previousSecret: index > 0 },
        adjustments: [...header.adjustments, ...textAdjustment, ...secretAdjustment],
      }
    }
  }
  return {
    ...found,
    headerLength: from.header.length,
    headerIsHex: /^[0-9a-f]*$/.test(from.header),
    notJson: json.problem,
    expected: json.problem === null ? expectedTexts(body, json.value) : [],
  }
}

/** A browser sends a text field with CRLF for each line break. */
export const asSent = (field: string): string => field.replaceAll('\r\n', '\n')

/** Why the body in a text field is not JSON, or null. */
export const jsonProblem = (field: string): string | null => jsonOf(asSent(field)).problem

function jsonOf(body: string): { value: Json; problem: string | null } {
  try {
    return { value: readJson(body === '' ? '{}' : body), problem: null }
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    return { value: null, problem: error.message }
  }
}

/** The possible readings of the header; the service's own reading comes first. */
function readings(header: string): { value: string; adjustments: Adjustment[] }[] {
  const trimmed = header.trim()
  const bare = trimmed.replace(/^sha256=/i, '')
  const adjustments: Adjustment[] = [
    ...(trimmed === header ? [] : (['white_space'] as const)),
    ...(bare === trimmed ? [] : (['prefix'] as const)),
  ]
  const lower = bare.toLowerCase()
  return [
    { value: header, adjustments: [] },
    { value: lower, adjustments: lower === bare ? adjustments : [...adjustments, 'upper_case'] },
    { value: Buffer.from(bare, 'base64').toString('hex'), adjustments: [...adjustments, 'base64'] },
  ]
}

type LineBreaks = Extract<Adjustment, 'line_breaks' | 'last_line_break'>

/** The possible bodies before a text field or an editor changed the line breaks. */
export function variants(body: string): { body: string; adjustments: LineBreaks[] }[] {
  const others: { body: string; adjustments: LineBreaks[] }[] = [
    { body: body.replaceAll('\n', '\r\n'), adjustments: ['line_breaks'] },
    { body: body.endsWith('\n') ? body.slice(0, -1) : `${body}\n`, adjustments: ['last_line_break'] },
  ]
  return [{ body, adjustments: [] }, ...others.filter((other) => other.body !== body)]
}

function expectedTexts(body: string, json: Json): Expected[] {
  const texts = new Set<string>()
  return SIGNATURE_FORMS.flatMap((form) => {
    if (form === 'raw') return []
    const text = canonicalJson(json, STYLES[form])
    if (texts.has(text)) return []
    texts.add(text)
    return [{ form, text, differsAt: firstDifference(body, text) }]
  })
}

function firstDifference(a: string, b: string): number | null {
  if (a === b) return null
  const [left, right] = [[...a], [...b]]
  const at = left.findIndex((character, index) => character !== right[index])
  return at === -1 ? left.length : at
}
