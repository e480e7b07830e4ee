/**
 * What a signature signs: `raw`, the bytes as they are sent; `original`, Python's
 * `json.dumps(body, sort_keys=True, separators=(",", ":"))`, which the original plugin expects; `readme`, the same
 * without `separators`, as in the script of the original's README; `…_utf8`, the two with `ensure_ascii=False`.
 */
export type SignatureForm = 'raw' | 'original' | 'readme' | 'original_utf8' | 'readme_utf8'

/** In verify's order of preference: a body that is sent in the original's form counts as raw. */
export const SIGNATURE_FORMS = [
  'raw',
  'original',
  'readme',
  'original_utf8',
  'readme_utf8',
] as const satisfies readonly SignatureForm[]

/** How JSON is written. */
export interface Style {
  /** A space after each comma and colon, the default of `json.dumps`. */
  readonly spaces: boolean
  /** Everything outside ASCII escaped as \uXXXX (Python's `ensure_ascii`). */
  readonly ascii: boolean
}

/** How each form except raw writes the JSON. */
export const STYLES: Readonly<Record<Exclude<SignatureForm, 'raw'>, Style>> = {
  original: { spaces: false, ascii: true },
  readme: { spaces: true, ascii: true },
  original_utf8: { spaces: false, ascii: false },
  readme_utf8: { spaces: true, ascii: false },
}
