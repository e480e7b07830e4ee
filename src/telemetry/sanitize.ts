/** Texts are cut to this; of a longer one not more than LOOKED_AT is looked at. */
const MAX_TEXT = 500
const LOOKED_AT = 4 * MAX_TEXT
const MAX_KEY = 60
const MAX_ENTRIES = 40
const MAX_DEPTH = 3

/**
 * Any value as it may stand in the log: texts cut, without a secret that can be told by its form and without whole
 * e-mail addresses, also inside of lists and objects, which are cut too.
 */
export function harmless(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return harmlessText(value)
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || value === undefined) return value
  if (typeof value !== 'object') return harmlessText(String(value))
  if (value instanceof Error) return harmless({ message: value.message, stack: value.stack }, depth)
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`
  if (depth === MAX_DEPTH) return '(more)'
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry) => harmless(entry, depth + 1))
  return harmlessFields(value, depth + 1)
}

/** The same for the fields of a line or of an object in it. */
export function harmlessFields(fields: object, depth = 0): Record<string, unknown> {
  const entries = Object.entries(fields).slice(0, MAX_ENTRIES)
  return Object.fromEntries(entries.map(([key, value]) => [harmlessText(key, MAX_KEY), harmless(value, depth)]))
}

/** A JWT, also one that is cut off: the JSON of its header begins with `{"`, which is `eyJ` in base64. */
const TOKEN = /eyJ[\w-]{8,}(\.[\w-]*){0,2}/g
/** A signature of the webhook, or a digest of what was sent. */
const SIGNATURE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/gi

function harmlessText(text: string, most = MAX_TEXT): string {
  const looked = text.slice(0, LOOKED_AT)
  const masked = maskEmails(looked).replace(TOKEN, '(a token)').replace(SIGNATURE, '(a signature)')
  return masked.length > most || looked.length < text.length ? `${masked.slice(0, most)}…` : masked
}

/**
 * An address: a local part in quotes, or one of other characters than those that stand around an address, and `@`.
 * Not the name of a package in a stack trace, such as `/@fastify/error/`.
 */
const ADDRESS = /(?:"((?:[^"\\]|\\.)+)"|(?<![^\s"@<>(),;:[\]\\])([^\s"@<>(),;:[\]\\]+))(@|%40)(?=[^\s@])(?![\w-]+\/)/gu

/** `alice@example.com` becomes `a***@example.com`. */
export const maskEmails = (text: string): string =>
  text.replace(ADDRESS, (_, quoted = '', plain = '', at) => `${firstOf(`${quoted}${plain}`)}***${at}`)

const firstOf = (text: string): string => String.fromCodePoint(text.codePointAt(0) ?? 0x2a)

/** All that JSON leaves as it is and a terminal, an editor or a log collector may act on, or not show. */
const INVISIBLE = /[\u007f-\u009f\u2028\u2029\p{Cf}\p{Cs}]/gu

/** JSON with such characters as `\uXXXX`: they can stand only in its texts, where this means the same. */
export const visible = (json: string): string =>
  json.replace(INVISIBLE, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
