import { createHash } from 'node:crypto'
import { isArray, isFloat, isObject, type Json, JsonNumber } from './json.ts'

const [QUOTE, COMMA, COLON, BACKSLASH, DELETE] = [0x22, 0x2c, 0x3a, 0x5c, 0x7f]
const [SPACE, ZERO, NINE, LOWER_A, LOWER_U] = [0x20, 0x30, 0x39, 0x61, 0x75]
const SHORT_ESCAPES = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

/** How JSON is written. */
export interface Style {
  /** A space after each comma and colon, the default of `json.dumps`. */
  readonly spaces: boolean
  /** Everything outside ASCII escaped as \uXXXX (Python's `ensure_ascii`). */
  readonly ascii: boolean
}

/**
 * Writes a tree of readJson as Python's `json.dumps(…, sort_keys=True)` does, byte for byte. A lone surrogate is kept
 * unless `ascii` escapes it; Python can't encode such a text as UTF-8 (see signature.ts).
 */
export function canonicalJson(tree: Json, { spaces, ascii }: Style): string {
  const compact = compactJson(tree)
  const text = spaces ? spaced(compact) : compact
  return ascii ? text.toString('latin1') : unescaped(text)
}

/** The SHA-256 of the canonical JSON, in hex: equal for bodies that mean the same. It identifies a delivery. */
export const digestOf = (json: Json): string => createHash('sha256').update(compactJson(json)).digest('hex')

/** `json.dumps(tree, sort_keys=True, separators=(",", ":"))` as bytes: no spaces, only ASCII. */
export const compactJson = (tree: Json): Buffer => Buffer.from(written(tree), 'latin1')

function written(node: Json): string {
  if (typeof node === 'string') return stringText(node)
  if (node instanceof JsonNumber) return numberText(node)
  if (isArray(node)) return `[${node.map(written).join(',')}]`
  if (!isObject(node)) return String(node)
  const members = sorted([...node.keys()]).map((key) => `${stringText(key)}:${written(node.get(key) ?? null)}`)
  return `{${members.join(',')}}`
}

/** Without the flag `u`, each half of a surrogate pair is escaped on its own, as Python does. */
const stringText = (text: string): string => `"${text.replace(/["\\]|[^ -~]/g, escaped)}"`

const escaped = (unit: string): string =>
  SHORT_ESCAPES.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * Adds a space after each comma and colon. The four styles differ only in spaces and escapes, so the tree is walked and
 * sorted once, and the other three styles are made from the first.
 */
export function spaced(compact: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(2 * compact.length)
  let length = 0
  let quoted = false
  for (let at = 0; at < compact.length; at++) {
    const code = compact[at] ?? 0
    bytes[length++] = code
    if (code === QUOTE) quoted = !quoted
    else if (code === BACKSLASH) bytes[length++] = compact[++at] ?? 0
    else if (!quoted && (code === COMMA || code === COLON)) bytes[length++] = SPACE
  }
  return bytes.subarray(0, length)
}

/** The same JSON as `ensure_ascii=False` writes it, which escapes only control characters, quotes and backslashes. */
export function unescaped(ascii: Buffer): string {
  const utf16 = Buffer.allocUnsafe(2 * ascii.length)
  let length = 0
  const put = (unit: number): void => {
    utf16[length++] = unit & 0xff
    utf16[length++] = unit >> 8
  }
  for (let at = 0; at < ascii.length; at++) {
    const code = ascii[at] ?? 0
    const unit = code === BACKSLASH && ascii[at + 1] === LOWER_U ? hexUnit(ascii, at + 2) : 0
    if (unit >= DELETE) {
      put(unit)
      at += 5
    } else {
      put(code)
      if (code === BACKSLASH) put(ascii[++at] ?? 0)
    }
  }
  return utf16.toString('utf16le', 0, length)
}

/** Reads the four digits of an escape. */
function hexUnit(ascii: Buffer, start: number): number {
  let unit = 0
  for (let at = start; at < start + 4; at++) {
    const code = ascii[at] ?? 0
    unit = unit * 16 + (code > NINE ? code - LOWER_A + 10 : code - ZERO)
  }
  return unit
}

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
