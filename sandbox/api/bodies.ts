import type { Json } from './json.ts'
import { readJson } from './json.ts'

/** A request's body as the LMS's parsers read it, or Django REST framework's refusal. */
export type Body = { data: Json; form: URLSearchParams | null } | { status: 400 | 415; detail: string }

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a body by its content type, JSON or, if `forms` is true, a form. An empty body is an empty object. `data` has the
 * last value of a form's field, `form` has all of them.
 */
export function readBody({
  bytes,
  contentType,
  forms = true,
}: {
  bytes: Uint8Array
  contentType: string | undefined
  forms?: boolean
}): Body {
  if (bytes.length === 0) return { data: {}, form: null }
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  if (forms && type === 'application/x-www-form-urlencoded') {
    const form = new URLSearchParams(Buffer.from(bytes).toString())
    return { data: Object.fromEntries(form), form }
  }
  if (type !== 'application/json')
    return { status: 415, detail: `Unsupported media type "${contentType ?? ''}" in request.` }
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { status: 400, detail: "JSON parse error - 'utf-8' codec can't decode bytes" }
  }
  if (text.startsWith('\ufeff')) {
    return {
      status: 400,
      detail: 'JSON parse error - Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)',
    }
  }
  const read = readJson(text)
  return read.ok ? { data: read.value, form: null } : { status: 400, detail: `JSON parse error - ${read.message}` }
}

/** The body's fields, or null if it is a list, a text or a number. */
export function fieldsOf(data: Json): Record<string, Json> | null {
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? data : null
}

/** A field as the text that the LMS uses: numbers and booleans as text, null and a missing field as ''. */
export function textOf(value: Json | undefined): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
