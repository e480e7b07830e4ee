import { isArray, isFloat, isObject, type Json, JsonNumber } from './json.ts'

export interface Style {
  /** A space after each comma and colon, as `json.dumps` writes unless told otherwise. */
  readonly spaces: boolean
  /** Everything outside ASCII escaped as \uXXXX (Python's `ensure_ascii`). */
  readonly ascii: boolean
}

const SHORT_ESCAPES = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

/**
 * Writes a tree of readJson as Python's `json.dumps(…, sort_keys=True)` does, to the byte. A lone surrogate stays one
 * unless `ascii` escapes it: Python can't encode that text as UTF-8 (see signature.ts).
 */
export function canonicalJson(tree: Json, { spaces, ascii }: Style): string {
  const [comma, colon] = spaces ? [', ', ': '] : [',', ':']
  // Both miss the quote and the backslash; Python escapes DEL in the ASCII style only.
  const unsafe = ascii ? /[^ !#-[\]-~]/g : /[^ !#-[\]-\uffff]/g
  const quoted = (text: string): string => `"${text.replace(unsafe, escaped)}"`
  const write = (node: Json): string => {
    if (typeof node === 'string') return quoted(node)
    if (node instanceof JsonNumber) return numberText(node)
    if (isArray(node)) return `[${node.map(write).join(comma)}]`
    if (!isObject(node)) return String(node)
    const members = [...node].sort(([a], [b]) => compareCodePoints(a, b))
    return `{${members.map(([key, value]) => quoted(key) + colon + write(value)).join(comma)}}`
  }
  return write(tree)
}

const escaped = (unit: string): string =>
  SHORT_ESCAPES.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** `json.dumps` has its own word for infinity (1e400 reads as one). */
function numberText(number: JsonNumber): string {
  return pythonNumber(number).replace('inf', 'Infinity')
}

/**
 * Python's `str()` of a number. An int keeps its digits, but -0 is 0. A float is the shortest text that reads as the
 * same float, with an exponent below 1e-4 and from 1e16 on; too large a one is `inf`.
 */
export function pythonNumber(number: JsonNumber): string {
  if (!isFloat(number)) return number.digits === '-0' ? '0' : number.digits
  const value = Number(number.digits)
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const size = Math.abs(value)
  if (size === Number.POSITIVE_INFINITY) return `${sign}inf`
  const [mantissa = '', power = '0'] = size.toExponential().split('e')
  const exponent = Number(power)
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  const digits = mantissa.replace('.', '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = exponent + 1
  return `${sign}${digits.slice(0, whole).padEnd(whole, '0')}.${digits.slice(whole) || '0'}`
}

/** Python sorts by code point, JavaScript's `<` by UTF-16 unit: U+1F600 comes after U+FB00 there, before it here. */
function compareCodePoints(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.codePointAt(i) ?? 0
    const y = b.codePointAt(i) ?? 0
    if (x !== y) return x - y
    if (x > 0xffff) i++
  }
  return a.length - b.length
}
