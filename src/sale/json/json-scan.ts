/** Helpers of the JSON reader that examine a text at one position, by character codes. */

const LINE_FEED = 0x0a
const [PLUS, MINUS, POINT, ZERO, NINE] = [0x2b, 0x2d, 0x2e, 0x30, 0x39]
const [UPPER_A, UPPER_E, UPPER_F, LOWER_A, LOWER_E, LOWER_F] = [0x41, 0x45, 0x46, 0x61, 0x65, 0x66]

/** The end of the number that begins at `start`, or `start` if none does. Of `1.e5`, only the 1 is a number. */
export function endOfNumber(text: string, start: number): number {
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

/** Whether a number has neither a decimal point nor an exponent. */
export const isWhole = (digits: string): boolean =>
  endOfDigits(digits, digits.charCodeAt(0) === MINUS ? 1 : 0) === digits.length

/** False for NaN, which charCodeAt returns after the end of a text. */
const isDigit = (code: number): boolean => code >= ZERO && code <= NINE

/** The UTF-16 code unit that four hex digits denote; -1 if there aren't four. */
export function hexUnit(text: string, start: number): number {
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
export function positionOf(text: string, index: number): { line: number; column: number; char: number } {
  let [line, lineStart, char] = [1, 0, 0]
  for (let at = 0; at < index; at++) {
    const code = text.charCodeAt(at)
    if (isHighSurrogate(code) && isLowSurrogate(text.charCodeAt(at + 1))) at++
    char++
    if (code === LINE_FEED) {
      line++
      lineStart = char
    }
  }
  return { line, column: char - lineStart + 1, char }
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code < 0xdc00
const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code < 0xe000
