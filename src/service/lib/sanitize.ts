/** Texts are cut to this length; at most READ_MAX characters of a longer text are read. */
const MAX_TEXT = 500
const READ_MAX = 4 * MAX_TEXT
const MAX_KEY = 60
const MAX_ENTRIES = 40
const MAX_DEPTH = 3

/**
 * Returns a value that is safe to log: it cuts texts, and removes complete e-mail addresses and secrets that can be
 * recognized by their form. It does the same inside lists and objects, which it also cuts.
 */
export function sanitize(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return sanitizeText(value)
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || value === undefined) return value
  if (typeof value !== 'object') return sanitizeText(String(value))
  if (value instanceof Error) return sanitize({ message: value.message, stack: value.stack }, depth)
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`
  if (depth === MAX_DEPTH) return '(more)'
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry) => sanitize(entry, depth + 1))
  return sanitizeFields(value, depth + 1)
}

/** Does the same for the fields of a line, or of an object in it. */
export function sanitizeFields(fields: object, depth = 0): Record<string, unknown> {
  const entries = Object.entries(fields).slice(0, MAX_ENTRIES)
  return Object.fromEntries(entries.map(([key, value]) => [sanitizeText(key, MAX_KEY), sanitize(value, depth)]))
}

/** A JWT, even a truncated one: the JSON of its header begins with `{"`, which is `eyJ` in base64. */
const TOKEN = /eyJ[\w-]{8,}(\.[\w-]*){0,2}/g
/** The text without the tokens of the LMS in it. */
export const withoutTokens = (text: string): string => text.replace(TOKEN, '(a token)')

/** A signature of a webhook, or a digest of its body. */
const SIGNATURE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/gi

function sanitizeText(text: string, most = MAX_TEXT): string {
  const read = text.slice(0, READ_MAX)
  const masked = withoutTokens(maskEmails(read)).replace(SIGNATURE, '(a signature)')
  return masked.length > most || read.length < text.length ? `${masked.slice(0, most)}…` : masked
}

/**
 * An e-mail address: a local part in quotes, or one without the characters that surround an address, and then `@`. It
 * does not match the name of a package in a stack trace, such as `/@fastify/error/`, or a user of MySQL: `'name'@'host'`.
 */
const ADDRESS = /(?:"((?:[^"\\]|\\.)+)"|(?<![^\s"@<>(),;:[\]\\])([^\s"@<>(),;:[\]\\]+))(@|%40)(?=[^\s@'])(?![\w-]+\/)/gu

/** `alice@example.com` becomes `a***@example.com`. */
export const maskEmails = (text: string): string =>
  text.replace(ADDRESS, (_, quoted = '', plain = '', at) => `${firstOf(`${quoted}${plain}`)}***${at}`)

const firstOf = (text: string): string => String.fromCodePoint(text.codePointAt(0) ?? 0x2a)

/** Characters that JSON does not escape, and that a terminal, an editor, or a log collector may act on or hide. */
const INVISIBLE = /[\u007f-\u009f\u2028\u2029\p{Cf}\p{Cs}]/gu

/** Writes such characters as `\uXXXX`. In JSON they occur only inside texts, where the escape means the same. */
export const escapeInvisible = (json: string): string => json.replace(INVISIBLE, (character) => escaped(character))

/** Writes each UTF-16 unit of a text as `\uXXXX`. */
export const escaped = (text: string): string =>
  text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
