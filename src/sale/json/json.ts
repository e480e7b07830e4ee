/**
 * Reads JSON as Python's `json.loads` does: it accepts the same texts, and its errors have the same text and position
 * (CPython 3.11 and 3.12). It refuses NaN and Infinity, as Django REST framework's strict parser does.
 *
 * `JSON.parse` can't be used here: it loses the digits of numbers, words its errors differently, and in Node 24 a key in
 * one text can corrupt an escaped key in the next one (nodejs/node#63785).
 */

/** A number as it was written: `1.0`, `1.00` and `1` are different. */
export class JsonNumber {
  readonly digits: string
  constructor(digits: string) {
    this.digits = digits
  }
}

/** Objects are Maps: `__proto__` is an ordinary key, and the last of several equal keys wins. */
export type Json = null | boolean | string | JsonNumber | readonly Json[] | ReadonlyMap<string, Json>

/**
 * The text is not JSON, or its bytes are not UTF-8. `message` is Python's message, without the prefix "JSON parse error - "
 * that DRF adds.
 */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
}

export const isArray = (node: Json): node is readonly Json[] => Array.isArray(node)
export const isObject = (node: Json): node is ReadonlyMap<string, Json> => node instanceof Map
/** Python reads a number without a decimal point and an exponent as an int, and every other as a float. */
export const isFloat = ({ digits }: JsonNumber): boolean => /[.eE]/.test(digits)

/** Python's limit is about 1,000 frames, minus those of the web framework; a depth of 500 is recorded as accepted. */
const MAX_DEPTH = 900
/** `sys.int_info.default_max_str_digits`, the limit for ints; a float may have more digits. */
const MAX_DIGITS = 4300

const WORDS = [
  ['null', null],
  ['true', true],
  ['false', false],
] as const
const REFUSED = ['NaN', 'Infinity', '-Infinity']
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

// Character codes. After the end of a text, charCodeAt returns NaN, which equals none of them.
const [TAB, LINE_FEED, RETURN, SPACE] = [0x09, 0x0a, 0x0d, 0x20]
const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c]
const [PLUS, MINUS, POINT, ZERO, NINE] = [0x2b, 0x2d, 0x2e, 0x30, 0x39]
const [UPPER_A, UPPER_E, UPPER_F, LOWER_A, LOWER_E, LOWER_F] = [0x41, 0x45, 0x46, 0x61, 0x65, 0x66]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Reads one JSON document. Throws only JsonSyntaxError. The time depends only on the length of the text. */
export const readJson = (text: string): Json => new Reader(text).readDocument()

/**
 * Anyone who can reach the service can make it read a body, so this has to be cheap. It compares character codes and
 * reads each once where it can: starting a regular expression takes longer than reading most tokens.
 */
class Reader {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  readDocument(): Json {
    if (this.text.startsWith('\ufeff')) throw this.failure('Unexpected UTF-8 BOM (decode using utf-8-sig)')
    const tree = this.readValue(this.skipSpace(), 0)
    this.skipSpace()
    if (this.at !== this.text.length) throw this.failure('Extra data')
    return tree
  }

  /** Returns the code of the next character that is not white space. */
  private skipSpace(): number {
    const { text } = this
    let { at } = this
    let code = text.charCodeAt(at)
    while (code === SPACE || code === LINE_FEED || code === RETURN || code === TAB) code = text.charCodeAt(++at)
    this.at = at
    return code
  }

  /** Skips this character and white space, and returns the code of the character after them. */
  private next(): number {
    this.at++
    return this.skipSpace()
  }

  /** `first` is the code of the character at this position, the first of the value. */
  private readValue(first: number, depth: number): Json {
    if (first === QUOTE) return this.readString()
    if (first === OPEN_OBJECT || first === OPEN_LIST) {
      if (depth === MAX_DEPTH) throw this.failure(`Nesting deeper than ${MAX_DEPTH} levels`)
      return first === OPEN_OBJECT ? this.readObject(depth + 1) : this.readArray(depth + 1)
    }
    const start = this.at
    this.at = endOfNumber(this.text, start)
    if (this.at === start) return this.readWord()
    return numberOf(this.text.slice(start, this.at))
  }

  private readWord(): null | boolean {
    for (const [word, meaning] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length
        return meaning
      }
    }
    const refused = REFUSED.find((word) => this.text.startsWith(word, this.at))
    if (refused === undefined) throw this.failure('Expecting value')
    throw new JsonSyntaxError(`Out of range float values are not JSON compliant: '${refused}'`)
  }

  private readArray(depth: number): Json[] {
    const items: Json[] = []
    let code = this.next()
    if (code === CLOSE_LIST) return this.closed(items)
    for (;;) {
      items.push(this.readValue(code, depth))
      code = this.skipSpace()
      if (code === CLOSE_LIST) return this.closed(items)
      if (code !== COMMA) throw this.failure("Expecting ',' delimiter")
      code = this.next()
    }
  }

  private readObject(depth: number): Map<string, Json> {
    const members = new Map<string, Json>()
    let code = this.next()
    if (code === CLOSE_OBJECT) return this.closed(members)
    for (;;) {
      if (code !== QUOTE) throw this.failure('Expecting property name enclosed in double quotes')
      const key = this.readString()
      if (this.skipSpace() !== COLON) throw this.failure("Expecting ':' delimiter")
      members.set(key, this.readValue(this.next(), depth))
      code = this.skipSpace()
      if (code === CLOSE_OBJECT) return this.closed(members)
      if (code !== COMMA) throw this.failure("Expecting ',' delimiter")
      code = this.next()
    }
  }

  private readString(): string {
    const start = this.at++
    let content = this.readPlain()
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code === QUOTE) return this.closed(content)
      if (this.at === this.text.length) throw this.failure('Unterminated string starting at', start)
      if (code !== BACKSLASH) throw this.failure('Invalid control character at')
      content += this.readEscape(start)
      content += this.readPlain()
    }
  }

  private readPlain(): string {
    const { text } = this
    const start = this.at
    let code = text.charCodeAt(start)
    while (code >= SPACE && code !== QUOTE && code !== BACKSLASH) code = text.charCodeAt(++this.at)
    return text.slice(start, this.at)
  }

  private readEscape(start: number): string {
    const letter = this.text[++this.at]
    if (letter === undefined) throw this.failure('Unterminated string starting at', start)
    const index = this.at++
    const meaning = ESCAPES[letter]
    if (meaning !== undefined) return meaning
    if (letter !== 'u') throw this.failure('Invalid \\escape', index - 1)
    const unit = hexUnit(this.text, this.at)
    this.at += 4
    // CPython requires a character after the four digits before it reads them.
    if (unit === -1 || this.at === this.text.length) throw this.failure('Invalid \\uXXXX escape', index)
    return String.fromCharCode(unit)
  }

  /** Skips the closing bracket or quote. */
  private closed<Value>(value: Value): Value {
    this.at++
    return value
  }

  private failure(what: string, index = this.at): JsonSyntaxError {
    const { line, column, char } = positionOf(this.text, index)
    return new JsonSyntaxError(`${what}: line ${line} column ${column} (char ${char})`)
  }
}

function numberOf(digits: string): JsonNumber {
  const number = new JsonNumber(digits)
  const length = digits.length - (digits.startsWith('-') ? 1 : 0)
  if (length > MAX_DIGITS && !isFloat(number)) {
    throw new JsonSyntaxError(
      `Exceeds the limit (${MAX_DIGITS} digits) for integer string conversion: value has ${length} digits; ` +
        'use sys.set_int_max_str_digits() to increase the limit',
    )
  }
  return number
}

/** The end of the number that begins at `start`, or `start` if none does. Of `1.e5`, only the 1 is a number. */
function endOfNumber(text: string, start: number): number {
  let end = start
  let code = text.charCodeAt(end)
  if (code === MINUS) code = text.charCodeAt(++end)
  if (!isDigit(code)) return start
  if (code === ZERO) code = text.charCodeAt(++end)
  else while (isDigit(code)) code = text.charCodeAt(++end)
  if (code !== POINT) return endOfExponent(text, end)
  const fraction = endOfDigits(text, end + 1)
  return endOfExponent(text, fraction > end + 1 ? fraction : end)
}

function endOfExponent(text: string, start: number): number {
  const letter = text.charCodeAt(start)
  if (letter !== LOWER_E && letter !== UPPER_E) return start
  const sign = text.charCodeAt(start + 1)
  const first = sign === PLUS || sign === MINUS ? start + 2 : start + 1
  const end = endOfDigits(text, first)
  return end > first ? end : start
}

function endOfDigits(text: string, start: number): number {
  let end = start
  while (isDigit(text.charCodeAt(end))) end++
  return end
}

/** False for NaN, which charCodeAt returns after the end of a text. */
const isDigit = (code: number): boolean => code >= ZERO && code <= NINE

/** The UTF-16 code unit that four hex digits denote; -1 if there aren't four. */
function hexUnit(text: string, start: number): number {
  let unit = 0
  for (let at = start; at < start + 4; at++) {
    const digit = hexDigit(text.charCodeAt(at))
    if (digit === -1) return -1
    unit = unit * 16 + digit
  }
  return unit
}

function hexDigit(code: number): number {
  if (isDigit(code)) return code - ZERO
  if (code >= LOWER_A && code <= LOWER_F) return code - LOWER_A + 10
  return code >= UPPER_A && code <= UPPER_F ? code - UPPER_A + 10 : -1
}

/** Counts code points, as Python does; `index` counts UTF-16 units. Lines and columns start at 1, `char` at 0. */
function positionOf(text: string, index: number): { line: number; column: number; char: number } {
  const before = text.slice(0, index).replace(SURROGATE_PAIRS, '_')
  let line = 1
  for (let at = before.indexOf('\n'); at !== -1; at = before.indexOf('\n', at + 1)) line++
  return { line, column: before.length - before.lastIndexOf('\n'), char: before.length }
}

const SURROGATE_PAIRS = /[\ud800-\udbff][\udc00-\udfff]/g
