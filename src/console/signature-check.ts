import { canonicalJson } from '../signature/canonical.ts'
import { SIGNATURE_FORMS, type SignatureForm, STYLES } from '../signature/forms.ts'
import { type Json, JsonSyntaxError, readJson } from '../signature/json.ts'
import { verify } from '../signature/signature.ts'

/** What of the header or the body had to be changed before a signature matched. */
export type Mend =
  | 'prefix'
  | 'upper_case'
  | 'base64'
  | 'white_space'
  | 'line_breaks'
  | 'last_line_break'
  | 'secret_line_break'

/** One text that the service accepts a signature over, beside the body as it was pasted. */
export interface Expected {
  readonly form: SignatureForm
  readonly text: string
  /** Where it first differs from the body, in characters from 0; null: not at all. */
  readonly differsAt: number | null
}

/** What became of a body and a header. Neither a secret nor a signature is in it. */
export interface Examined {
  readonly match: { readonly form: SignatureForm; readonly previousSecret: boolean } | null
  /** Empty for a match that the service accepts as it is; else it is refused, and these are the reasons. */
  readonly mends: readonly Mend[]
  /** What keeps the header from being a signature at all. */
  readonly headerLength: number
  readonly headerIsHex: boolean
  /** What is wrong with the body as JSON; the service refuses such a one with 400, whatever its signature. */
  readonly notJson: string | null
  readonly expected: readonly Expected[]
}

/**
 * Looks which form of the body a signature was made over, and if none, whether a usual slip explains it.
 * @param from.body as a browser sends a text field: with CRLF where the field has a line break
 * @param from.header the value of X-Lernito-Signature
 * @param from.secrets the current one first
 */
export function examine(from: { body: string; header: string; secrets: readonly string[] }): Examined {
  const body = from.body.replaceAll('\r\n', '\n')
  const json = jsonOf(body)
  const headers = readings(from.header)
  const texts = variants(body)
  const secrets = [...from.secrets, ...from.secrets.map((secret) => `${secret}\n`)]

  let found: Pick<Examined, 'match' | 'mends'> = { match: null, mends: [] }
  for (const header of headers) {
    for (const text of texts) {
      const match = verify({ body: text.body, json: json.value, header: header.value, secrets })
      if (match === null || found.match !== null) continue
      const index = match.secretIndex % from.secrets.length
      const secretMend = match.secretIndex >= from.secrets.length ? (['secret_line_break'] as const) : []
      const textMend = match.form === 'raw' ? text.mends : []
      found = {
        match: { form: match.form, previousSecret: index > 0 },
        mends: [...header.mends, ...textMend, ...secretMend],
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

function jsonOf(body: string): { value: Json; problem: string | null } {
  try {
    return { value: readJson(body === '' ? '{}' : body), problem: null }
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    return { value: null, problem: error.message }
  }
}

/** What the header may have meant, as the service reads it first. */
function readings(header: string): { value: string; mends: Mend[] }[] {
  const trimmed = header.trim()
  const bare = trimmed.replace(/^sha256=/i, '')
  const mends: Mend[] = [
    ...(trimmed === header ? [] : (['white_space'] as const)),
    ...(bare === trimmed ? [] : (['prefix'] as const)),
  ]
  const lower = bare.toLowerCase()
  return [
    { value: header, mends: [] },
    { value: lower, mends: lower === bare ? mends : [...mends, 'upper_case'] },
    { value: Buffer.from(bare, 'base64').toString('hex'), mends: [...mends, 'base64'] },
  ]
}

/** The body as it may have been before it went through a text field or an editor. */
function variants(body: string): { body: string; mends: Mend[] }[] {
  const others: { body: string; mends: Mend[] }[] = [
    { body: body.replaceAll('\n', '\r\n'), mends: ['line_breaks'] },
    { body: body.endsWith('\n') ? body.slice(0, -1) : `${body}\n`, mends: ['last_line_break'] },
  ]
  return [{ body, mends: [] }, ...others.filter((other) => other.body !== body)]
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
