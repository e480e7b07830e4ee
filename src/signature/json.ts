/**
 * Reads JSON as Python's `json.loads` does: the same language, the same words and position for what is wrong (CPython
 * 3.11 and 3.12; NaN and Infinity refused as Django REST framework's strict parser refuses them).
 *
 * `JSON.parse` is no choice here: it loses the digits of numbers, has other words for errors, and in Node 24 a key in
 * one text can falsify an escaped key in the next one (nodejs/node#63785).
 */

/** A number as it was written: `1.0`, `1.00` and `1` are three. */
export class JsonNumber {
  readonly digits: string
  constructor(digits: string) {
    this.digits = digits
  }
}

/** Objects are Maps: `__proto__` is a key like any other, and the last of two equal keys wins. */
export type Json = null | boolean | string | JsonNumber | readonly Json[] | ReadonlyMap<string, Json>

/** The text is not JSON. `message` is what Python says, without the "JSON parse error - " that DRF puts before it. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
}

export const isArray = (node: Json): node is readonly Json[] => Array.isArray(node)
export const isObject = (node: Json): node is ReadonlyMap<string, Json> => node instanceof Map
/** Python makes an int of a number without point and exponent, a float of every other. */
export const isFloat = (number: JsonNumber): boolean => /[.eE]/.test(number.digits)

/** Python's own limit is about 1,000 frames, less those of the web framework around it; 500 is recorded as read. */
const MAX_DEPTH = 900
/** `sys.int_info.default_max_str_digits`; floats may have more. */
const MAX_DIGITS = 4300

const SPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const PLAIN = /[ !#-[\]-\uffff]*/y
const HEX = /[0-9a-fA-F]{4}/y
const WORDS = [
  ['null', null],
  ['true', true],
  ['false', false],
] as const
const REFUSED = ['NaN', 'Infinity', '-Infinity']
const ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/** Reads one JSON document. Throws JsonSyntaxError and nothing else; the time it takes grows with the length only. */
export function readJson(text: string): Json {
  let at = 0

  const skip = (pattern: RegExp): void => {
    pattern.lastIndex = at
    if (pattern.test(text)) at = pattern.lastIndex
  }
  const take = (pattern: RegExp): string => {
    const start = at
    skip(pattern)
    return text.slice(start, at)
  }

  function readValue(depth: number): Json {
    const char = text[at]
    if (char === '"') return readString()
    if (char === '{' || char === '[') {
      if (depth === MAX_DEPTH) throw failure(`Nesting deeper than ${MAX_DEPTH} levels`, text, at)
      return char === '{' ? readObject(depth + 1) : readArray(depth + 1)
    }
    const digits = take(NUMBER)
    return digits === '' ? readWord() : numberOf(digits)
  }

  function readWord(): null | boolean {
    for (const [word, meaning] of WORDS) {
      if (text.startsWith(word, at)) {
        at += word.length
        return meaning
      }
    }
    const refused = REFUSED.find((word) => text.startsWith(word, at))
    if (refused === undefined) throw failure('Expecting value', text, at)
    throw new JsonSyntaxError(`Out of range float values are not JSON compliant: '${refused}'`)
  }

  function readArray(depth: number): Json[] {
    const items: Json[] = []
    at++
    skip(SPACE)
    if (closes(']')) return items
    for (;;) {
      items.push(readValue(depth))
      skip(SPACE)
      if (closes(']')) return items
      expect(',')
    }
  }

  function readObject(depth: number): Map<string, Json> {
    const members = new Map<string, Json>()
    at++
    skip(SPACE)
    if (closes('}')) return members
    for (;;) {
      if (text[at] !== '"') throw failure('Expecting property name enclosed in double quotes', text, at)
      const key = readString()
      skip(SPACE)
      expect(':')
      members.set(key, readValue(depth))
      skip(SPACE)
      if (closes('}')) return members
      expect(',')
    }
  }

  function closes(bracket: string): boolean {
    if (text[at] !== bracket) return false
    at++
    return true
  }

  function expect(delimiter: string): void {
    if (text[at] !== delimiter) throw failure(`Expecting '${delimiter}' delimiter`, text, at)
    at++
    skip(SPACE)
  }

  function readString(): string {
    const start = at++
    let content = take(PLAIN)
    for (;;) {
      const char = text[at]
      if (char === '"') {
        at++
        return content
      }
      if (char === undefined) throw failure('Unterminated string starting at', text, start)
      if (char !== '\\') throw failure('Invalid control character at', text, at)
      content += readEscape(start) + take(PLAIN)
    }
  }

  function readEscape(start: number): string {
    const letter = text[++at]
    if (letter === undefined) throw failure('Unterminated string starting at', text, start)
    const meaning = ESCAPES.get(letter)
    if (meaning === undefined && letter !== 'u') throw failure('Invalid \\escape', text, at - 1)
    const index = at++
    if (meaning !== undefined) return meaning
    const hex = take(HEX)
    // CPython wants a character after the four digits before it looks at them.
    if (hex === '' || at === text.length) throw failure('Invalid \\uXXXX escape', text, index)
    return String.fromCharCode(Number.parseInt(hex, 16))
  }

  if (text.startsWith('\ufeff')) throw failure('Unexpected UTF-8 BOM (decode using utf-8-sig)', text, 0)
  skip(SPACE)
  const tree = readValue(0)
  skip(SPACE)
  if (at !== text.length) throw failure('Extra data', text, at)
  return tree
}

function numberOf(digits: string): JsonNumber {
  const number = new JsonNumber(digits)
  if (digits.length > MAX_DIGITS && !isFloat(number)) {
    const length = digits.length - (digits.startsWith('-') ? 1 : 0)
    if (length > MAX_DIGITS) {
      throw new JsonSyntaxError(
        `Exceeds the limit (${MAX_DIGITS} digits) for integer string conversion: value has ${length} digits; ` +
          'use sys.set_int_max_str_digits() to increase the limit',
      )
    }
  }
  return number
}

/** Python counts code points, where JavaScript's index counts UTF-16 units. */
function failure(what: string, text: string, index: number): JsonSyntaxError {
  let [line, column, char] = [1, 1, 0]
  for (let i = 0; i < index; char++) {
    const point = text.codePointAt(i) ?? 0
    i += point > 0xffff ? 2 : 1
    if (point === 0x0a) [line, column] = [line + 1, 1]
    else column++
  }
  return new JsonSyntaxError(`${what}: line ${line} column ${column} (char ${char})`)
}
