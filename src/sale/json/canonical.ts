import { createHash } from 'node:crypto'
import { isArray, isFloat, isObject, type Json, JsonNumber } from './json.ts'

/** How JSON is written. */
export interface Style {
  /** A space after each comma and colon, the default of `json.dumps`. */
  readonly spaces: boolean
  /** Everything outside ASCII escaped as \uXXXX (Python's `ensure_ascii`). */
  readonly ascii: boolean
}

/** JSON to be written: its texts, and all that is between them. */
type Pieces = readonly (string | { readonly text: string })[]

/**
 * Writes a tree of readJson as Python's `json.dumps(…, sort_keys=True)` does, byte for byte. A lone surrogate is kept
 * unless `ascii` escapes it; Python can't encode such a text as UTF-8 (see signature.ts).
 */
export const canonicalJson = (tree: Json, style: Style): string => written(piecesOf(tree), style)

/** `json.dumps(tree, sort_keys=True, separators=(",", ":"))`: no spaces, only ASCII. */
export const compactJson = (tree: Json): string => canonicalJson(tree, { spaces: false, ascii: true })

/** The SHA-256 of the canonical JSON, in hex: equal for bodies that mean the same. It identifies a delivery. */
export const digestOf = (json: Json): string => createHash('sha256').update(compactJson(json)).digest('hex')

/** The tree in pieces, its keys sorted. All styles are written from them, so that it is walked and sorted once. */
export function piecesOf(tree: Json): Pieces {
  const pieces: (string | { readonly text: string })[] = []
  const add = (node: Json): void => {
    if (typeof node === 'string') pieces.push({ text: node })
    else if (node instanceof JsonNumber) pieces.push(numberText(node))
    else if (isArray(node)) {
      pieces.push('[')
      for (const [index, item] of node.entries()) {
        if (index > 0) pieces.push(',')
        add(item)
      }
      pieces.push(']')
    } else if (isObject(node)) {
      pieces.push('{')
      for (const [index, key] of sorted([...node.keys()]).entries()) {
        if (index > 0) pieces.push(',')
        pieces.push({ text: key }, ':')
        add(node.get(key) ?? null)
      }
      pieces.push('}')
    } else pieces.push(String(node))
  }
  add(tree)
  return pieces
}

/** Writes the pieces of a tree: see canonicalJson. */
export function written(pieces: Pieces, { spaces, ascii }: Style): string {
  let text = ''
  for (const piece of pieces) {
    if (typeof piece !== 'string') text += quoted(piece.text, ascii)
    else text += spaces && (piece === ',' || piece === ':') ? `${piece} ` : piece
  }
  return text
}

/** Without the flag `u`, each half of a surrogate pair is escaped on its own, as Python does. */
const NOT_ASCII = /["\\]|[^ -~]/g
const CONTROL = /["\\]|[^ -\uffff]/g

const quoted = (text: string, ascii: boolean): string => `"${text.replace(ascii ? NOT_ASCII : CONTROL, escaped)}"`

/** JavaScript writes control characters, quotation marks and backslashes as Python does. */
const escaped = (unit: string): string =>
  unit < '\x7f' ? JSON.stringify(unit).slice(1, -1) : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** `json.dumps` writes infinity (which 1e400 is read as) differently from `str()`. */
function numberText(number: JsonNumber): string {
  const text = pythonNumber(number)
  return text.endsWith('f') ? text.replace('inf', 'Infinity') : text
}

/**
 * Python's `str()` of a number. An int keeps its digits, except that -0 becomes 0. A float becomes the shortest text that
 * reads as the same float, as in JavaScript, but with an exponent below 1e-4 and from 1e16. One that is too large is
 * `inf`.
 */
export function pythonNumber(number: JsonNumber): string {
  if (!isFloat(number)) return number.digits === '-0' ? '0' : number.digits
  const value = Number(number.digits)
  const size = Math.abs(value)
  if (size === Number.POSITIVE_INFINITY) return value < 0 ? '-inf' : 'inf'
  if (Object.is(value, -0)) return '-0.0'
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return withTwoDigits(value.toExponential())
  return Number.isInteger(value) ? `${value}.0` : String(value)
}

/** Python's exponent has at least two digits. */
const withTwoDigits = (text: string): string => text.replace(/(?<=e[+-])\d$/, '0$&')

/** Sorts by code point, as Python does. JavaScript sorts by UTF-16 unit, which puts U+1F600 before U+FB00. */
function sorted(keys: string[]): string[] {
  // For text below the surrogates both orders are the same, and sorting without a function is several times faster.
  return keys.some((key) => /[\ud800-\uffff]/.test(key)) ? keys.sort(compareCodePoints) : keys.sort()
}

function compareCodePoints(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.codePointAt(i) ?? 0
    const y = b.codePointAt(i) ?? 0
    if (x !== y) return x - y
    if (x > 0xffff) i++
  }
  return a.length - b.length
}
