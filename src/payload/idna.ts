/**
 * Domain names outside ASCII as Python's "idna" codec encodes them: IDNA 2003 (RFC 3490), with nameprep (RFC 3491) and
 * Punycode (RFC 3492). Node's own domainToASCII follows the later UTS #46, which refuses other names. Python leaves
 * characters newer than Unicode 3.2 (2002) unchanged. This code normalizes them, so a few symbols have another result.
 */

const MAX_LABEL_LENGTH = 63
const DOTS = /[.\u3002\uff0e\uff61]/u
const IS_ASCII = /^[\0-\u007f]*$/u

/** Nameprep removes these (RFC 3454, table B.1). */
const LEFT_OUT = /[\u034f\u180b-\u180d\ufe00-\ufe0f]|[\u00ad\u1806\u200b-\u200d\u2060\ufeff]/gu
/** Nameprep refuses these (tables C.1.2 to C.9), without those that normalization replaces. */
const PROHIBITED =
  /[\u0340\u0341\u0080-\u009f\u06dd\u070f\u1680\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}\p{Co}\p{Cs}\p{NChar}]/u
/** Table D.1, without the characters that normalization replaces. */
const RIGHT_TO_LEFT =
  /[\u05be\u05c0\u05c3\u05d0-\u05ea\u05f0-\u05f4\u061b\u061f\u0621-\u063a\u0640-\u064a\u066d-\u066f\u0671-\u06d5\u06dd\u06e5\u06e6\u06fa-\u06fe\u0700-\u070d\u0710\u0712-\u072c\u0780-\u07a5\u07b1\ufe73]/u
/** Table D.2, abridged: letters and spacing marks of every other script. */
const LEFT_TO_RIGHT = /[[\p{L}\p{Mc}\p{Nl}]--[\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Thaa}\u0640]]/v

/** Returns the domain in ASCII, or null if Python raises UnicodeError for it. */
export function domainToAscii(domain: string): string | null {
  const labels = domain.split(DOTS)
  if (labels.at(-1) === '') return null
  const ascii = labels.map(labelToAscii)
  return ascii.includes(null) ? null : ascii.join('.')
}

function labelToAscii(label: string): string | null {
  const prepared = IS_ASCII.test(label) ? label : nameprep(label)
  if (prepared === null) return null
  const ascii = IS_ASCII.test(prepared) ? prepared : encoded(prepared)
  return ascii !== null && ascii.length > 0 && ascii.length <= MAX_LABEL_LENGTH ? ascii : null
}

function nameprep(label: string): string | null {
  const folded = Array.from(label.replace(LEFT_OUT, ''), fold).join('').normalize('NFKC')
  if (PROHIBITED.test(folded)) return null
  const chars = [...folded]
  if (!chars.some((char) => RIGHT_TO_LEFT.test(char))) return folded
  const ends = [chars.at(0) ?? '', chars.at(-1) ?? '']
  return LEFT_TO_RIGHT.test(folded) || !ends.every((char) => RIGHT_TO_LEFT.test(char)) ? null : folded
}

/** Case folding, as in table B.2. */
const fold = (char: string): string => lower(lower(char).normalize('NFKC'))
/** Goes through upper case, so that ß becomes ss. Leaves ı as it is, which would otherwise become i. */
const lower = (text: string): string =>
  Array.from(text, (char) => (char === 'ı' ? char : char.toUpperCase().toLowerCase())).join('')

const encoded = (label: string): string | null => (label.startsWith('xn--') ? null : `xn--${punycode(label)}`)

const BASE = 36
const DIGITS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** RFC 3492, section 6.3, with the parameters for domain names. */
function punycode(label: string): string {
  const points = Array.from(label, (char) => char.codePointAt(0) ?? 0)
  const basic = label.replace(/[^\0-\u007f]/gu, '')
  let output = basic === '' ? '' : `${basic}-`
  let [current, delta, bias, done] = [0x80, 0, 72, basic.length]
  while (done < points.length) {
    const next = Math.min(...points.filter((point) => point >= current))
    delta += (next - current) * (done + 1)
    current = next
    for (const point of points) {
      if (point < current) delta++
      if (point !== current) continue
      output += variableLength(delta, bias)
      bias = adapted(delta, done + 1, done === basic.length)
      delta = 0
      done++
    }
    delta++
    current++
  }
  return output
}

function variableLength(number: number, bias: number): string {
  let [rest, output] = [number, '']
  for (let k = BASE; ; k += BASE) {
    const threshold = Math.min(Math.max(k - bias, 1), 26)
    if (rest < threshold) return output + DIGITS.charAt(rest)
    output += DIGITS.charAt(threshold + ((rest - threshold) % (BASE - threshold)))
    rest = Math.floor((rest - threshold) / (BASE - threshold))
  }
}

function adapted(delta: number, length: number, first: boolean): number {
  let [rest, k] = [Math.floor(delta / (first ? 700 : 2)), 0]
  rest += Math.floor(rest / length)
  for (; rest > 455; k += BASE) rest = Math.floor(rest / (BASE - 1))
  return k + Math.floor((BASE * rest) / (rest + 38))
}
