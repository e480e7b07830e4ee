import { type Json, JsonSyntaxError, readJson } from './json.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes strictly, as Python's `bytes.decode()`: replaces nothing and keeps a byte order mark. Throws JsonSyntaxError. */
export function readUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new JsonSyntaxError(firstError(bytes))
  }
}

/**
 * Reads the body of a request; the error if it isn't JSON in UTF-8. An empty body counts as an empty object, because DRF
 * doesn't parse it (recorded: lernito-webhook.json, "empty body, canonical {} signed").
 */
export function readBody(body: string | Uint8Array): Json | JsonSyntaxError {
  try {
    if (body.length === 0) return readJson('{}')
    return readJson(typeof body === 'string' ? body : readUtf8(body))
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error
    throw error
  }
}

function firstError(bytes: Uint8Array): string {
  let at = 0
  for (;;) {
    const found = sequence(bytes, at)
    if (typeof found === 'string') return found
    at += found
  }
}

/** Returns the length of the sequence that starts at `at`, or Python's message if it is invalid. */
function sequence(bytes: Uint8Array, at: number): number | string {
  const lead = bytes[at] ?? 0
  if (lead < 0x80) return 1
  if (lead < 0xc2 || lead > 0xf4) return describe(bytes, at, 1, 'invalid start byte')
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return describe(bytes, at, i, 'unexpected end of data')
    const [low, high] = i === 1 ? secondByte(lead) : [0x80, 0xbf]
    if (byte < low || byte > high) return describe(bytes, at, i, 'invalid continuation byte')
  }
  return length
}

/** After four lead bytes fewer are valid: no overlong forms (E0, F0), no surrogates (ED), nothing above U+10FFFF (F4). */
function secondByte(lead: number): readonly [number, number] {
  if (lead === 0xe0) return [0xa0, 0xbf]
  if (lead === 0xed) return [0x80, 0x9f]
  if (lead === 0xf0) return [0x90, 0xbf]
  if (lead === 0xf4) return [0x80, 0x8f]
  return [0x80, 0xbf]
}

function describe(bytes: Uint8Array, at: number, length: number, reason: string): string {
  const which =
    length === 1
      ? `byte 0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')} in position ${at}`
      : `bytes in position ${at}-${at + length - 1}`
  return `'utf-8' codec can't decode ${which}: ${reason}`
}
