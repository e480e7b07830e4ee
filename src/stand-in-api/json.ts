// The LMS reads JSON with Python's reader and shows its words to the caller
// (recorded: enrollment-v1.json, 'broken JSON': "Expecting value: line 1 column 9 (char 8)").
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonResult = { ok: true; value: Json } | { ok: false; message: string }

const maxDepth = 500
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const space = /[ \t\n\r]*/y
const plain = /[^"\\\p{Cc}]*/uy
const escapes: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** Reads one JSON text. A refusal's `message` is worded as Python's json module words it, position included. */
export function readJson(text: string): JsonResult {
  let at = 0
  let failure = ''

  function fail(words: string, position: number): undefined {
    if (failure === '') {
      const before = [...text.slice(0, position)]
      const line = before.filter((character) => character === '\n').length + 1
      const column = before.length - before.lastIndexOf('\n')
      failure = `${words}: line ${line} column ${column} (char ${before.length})`
    }
    return undefined
  }

  function match(pattern: RegExp): string {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0] ?? ''
    at += found.length
    return found
  }

  function string(): string | undefined {
    const start = at - 1
    let value = ''
    while (true) {
      value += match(plain)
      const character = text[at]
      if (character === undefined) return fail('Unterminated string starting at', start)
      if (character === '"') {
        at += 1
        return value
      }
      if (character < ' ') return fail('Invalid control character at', at)
      if (character === '\\') {
        const escaped = escapeSequence(start)
        if (escaped === undefined) return undefined
        value += escaped
      } else {
        value += character // a control that JSON allows: U+007F to U+009F
        at += 1
      }
    }
  }

  function escapeSequence(start: number): string | undefined {
    const kind = text[at + 1]
    if (kind === undefined) return fail('Unterminated string starting at', start)
    if (kind === 'u') {
      const digits = text.slice(at + 2, at + 6)
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) return fail('Invalid \\uXXXX escape', at + 1)
      at += 6
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    const escaped = escapes[kind]
    if (escaped === undefined) return fail('Invalid \\escape', at)
    at += 2
    return escaped
  }

  function list(depth: number): Json[] | undefined {
    const items: Json[] = []
    match(space)
    if (text[at] === ']') {
      at += 1
      return items
    }
    while (true) {
      match(space)
      const item = value(depth + 1)
      if (item === undefined) return undefined
      items.push(item)
      match(space)
      const next = text[at]
      at += 1
      if (next === ']') return items
      if (next !== ',') return fail("Expecting ',' delimiter", at - 1)
    }
  }

  function object(depth: number): { [key: string]: Json } | undefined {
    // No prototype, so that a key such as __proto__ is only a key.
    const fields: { [key: string]: Json } = Object.create(null)
    match(space)
    if (text[at] === '}') {
      at += 1
      return fields
    }
    while (true) {
      match(space)
      if (text[at] !== '"') return fail('Expecting property name enclosed in double quotes', at)
      at += 1
      const key = string()
      if (key === undefined) return undefined
      match(space)
      if (text[at] !== ':') return fail("Expecting ':' delimiter", at)
      at += 1
      match(space)
      const field = value(depth + 1)
      if (field === undefined) return undefined
      fields[key] = field
      match(space)
      const next = text[at]
      at += 1
      if (next === '}') return fields
      if (next !== ',') return fail("Expecting ',' delimiter", at - 1)
    }
  }

  function value(depth: number): Json | undefined {
    if (depth > maxDepth) return fail('Too deeply nested', at)
    const character = text[at]
    if (character === '"' || character === '[' || character === '{') {
      at += 1
      return character === '"' ? string() : character === '[' ? list(depth) : object(depth)
    }
    for (const [word, meaning] of [
      ['null', null],
      ['true', true],
      ['false', false],
    ] as const) {
      if (text.startsWith(word, at)) {
        at += word.length
        return meaning
      }
    }
    const digits = match(number)
    return digits === '' ? fail('Expecting value', at) : Number(digits)
  }

  match(space)
  const read = value(0)
  if (read !== undefined) {
    match(space)
    if (at < text.length) fail('Extra data', at)
  }
  return read === undefined || failure !== '' ? { ok: false, message: failure } : { ok: true, value: read }
}
