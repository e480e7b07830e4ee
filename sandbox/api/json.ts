// The LMS reads JSON with Python's reader and shows that reader's messages to the caller
// (recorded: enrollment-v1.json, 'broken JSON': "Expecting value: line 1 column 9 (char 8)").
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonResult = { ok: true; value: Json } | { ok: false; message: string }

const maxDepth = 500
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const space = /[ \t\n\r]*/y
const plain = /[^"\\\p{Cc}]*/uy
const escapes: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
const literals = [
  ['null', null],
  ['true', true],
  ['false', false],
] as const

/** A text that is read from `at` on. The first failure is kept; a reader that has failed returns undefined. */
type Cursor = { readonly text: string; at: number; failure: string }

/** Reads one JSON text. The `message` of a refusal is the one of Python's json module, position included. */
export function readJson(text: string): JsonResult {
  const cursor: Cursor = { text, at: 0, failure: '' }
  match(cursor, space)
  const value = readValue(cursor, 0)
  if (value !== undefined) {
    match(cursor, space)
    if (cursor.at < text.length) fail(cursor, 'Extra data', cursor.at)
  }
  const { failure } = cursor
  return value === undefined || failure !== '' ? { ok: false, message: failure } : { ok: true, value }
}

function readValue(cursor: Cursor, depth: number): Json | undefined {
  if (depth > maxDepth) return fail(cursor, 'Too deeply nested', cursor.at)
  if (skip(cursor, '"')) return readString(cursor)
  if (skip(cursor, '[')) return readList(cursor, depth)
  if (skip(cursor, '{')) return readObject(cursor, depth)
  for (const [word, value] of literals) if (skip(cursor, word)) return value
  const digits = match(cursor, number)
  return digits === '' ? fail(cursor, 'Expecting value', cursor.at) : Number(digits)
}

/** The rest of a string whose quotation mark has been read. */
function readString(cursor: Cursor): string | undefined {
  const start = cursor.at - 1
  let value = ''
  while (true) {
    value += match(cursor, plain)
    const character = cursor.text[cursor.at]
    if (character === undefined) return fail(cursor, 'Unterminated string starting at', start)
    if (skip(cursor, '"')) return value
    if (character < ' ') return fail(cursor, 'Invalid control character at', cursor.at)
    if (character === '\\') {
      const escaped = readEscape(cursor, start)
      if (escaped === undefined) return undefined
      value += escaped
    } else {
      value += character // a control character that JSON allows: U+007F to U+009F
      cursor.at += 1
    }
  }
}

function readEscape(cursor: Cursor, start: number): string | undefined {
  const { text, at } = cursor
  const kind = text[at + 1]
  if (kind === undefined) return fail(cursor, 'Unterminated string starting at', start)
  if (kind === 'u') {
    const digits = text.slice(at + 2, at + 6)
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) return fail(cursor, 'Invalid \\uXXXX escape', at + 1)
    cursor.at += 6
    return String.fromCharCode(Number.parseInt(digits, 16))
  }
  const escaped = escapes[kind]
  if (escaped === undefined) return fail(cursor, 'Invalid \\escape', at)
  cursor.at += 2
  return escaped
}

/** The rest of a list whose bracket has been read. */
function readList(cursor: Cursor, depth: number): Json[] | undefined {
  const items: Json[] = []
  match(cursor, space)
  if (skip(cursor, ']')) return items
  while (true) {
    match(cursor, space)
    const item = readValue(cursor, depth + 1)
    if (item === undefined) return undefined
    items.push(item)
    match(cursor, space)
    if (skip(cursor, ']')) return items
    if (!skip(cursor, ',')) return fail(cursor, "Expecting ',' delimiter", cursor.at)
  }
}

/** The rest of an object whose brace has been read. */
function readObject(cursor: Cursor, depth: number): { [key: string]: Json } | undefined {
  // No prototype, so that a key such as __proto__ is only a key.
  const fields: { [key: string]: Json } = Object.create(null)
  match(cursor, space)
  if (skip(cursor, '}')) return fields
  while (true) {
    match(cursor, space)
    if (!skip(cursor, '"')) return fail(cursor, 'Expecting property name enclosed in double quotes', cursor.at)
    const key = readString(cursor)
    if (key === undefined) return undefined
    match(cursor, space)
    if (!skip(cursor, ':')) return fail(cursor, "Expecting ':' delimiter", cursor.at)
    match(cursor, space)
    const field = readValue(cursor, depth + 1)
    if (field === undefined) return undefined
    fields[key] = field
    match(cursor, space)
    if (skip(cursor, '}')) return fields
    if (!skip(cursor, ',')) return fail(cursor, "Expecting ',' delimiter", cursor.at)
  }
}

/** Skips the word if it comes next. */
function skip(cursor: Cursor, word: string): boolean {
  const isNext = cursor.text.startsWith(word, cursor.at)
  if (isNext) cursor.at += word.length
  return isNext
}

/** Reads what the sticky pattern matches; '' if it doesn't match. */
function match(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0] ?? ''
  cursor.at += found.length
  return found
}

function fail(cursor: Cursor, words: string, position: number): undefined {
  if (cursor.failure === '') {
    const before = [...cursor.text.slice(0, position)]
    const line = before.filter((character) => character === '\n').length + 1
    const column = before.length - before.lastIndexOf('\n')
    cursor.failure = `${words}: line ${line} column ${column} (char ${before.length})`
  }
  return undefined
}
