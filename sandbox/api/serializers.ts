import { textOf } from './bodies.ts'
import type { Json } from './json.ts'

/** A field as Django REST framework's serializers read it, or the refusal of it. */
export type Field<Value> = { value: Value } | { error: string | Record<string, string[]> }

export const REQUIRED = 'This field is required.'
export const IS_NULL = 'This field may not be null.'

/** A text of at most `maxLength` characters, without white space around it. Numbers are texts too. */
export function readText(
  value: Json | undefined,
  { maxLength = Number.POSITIVE_INFINITY, blank = false }: { maxLength?: number; blank?: boolean } = {},
): Field<string> {
  if (value === undefined) return { error: REQUIRED }
  if (value === null) return { error: IS_NULL }
  if (typeof value === 'boolean' || typeof value === 'object') return { error: 'Not a valid string.' }
  const text = String(value).trim()
  if (text === '' && !blank) return { error: 'This field may not be blank.' }
  if (text.includes('\0')) return { error: 'Null characters are not allowed.' }
  if (text.length > maxLength) return { error: `Ensure this field has no more than ${maxLength} characters.` }
  return { value: text }
}

/** A list of texts, at least one. Its error names the index of each wrong item (recorded: enrollments-modify.json). */
export function readTexts(value: Json | undefined, limits: { maxLength: number }): Field<string[]> {
  if (value === undefined) return { error: REQUIRED }
  if (value === null) return { error: IS_NULL }
  if (!Array.isArray(value)) return { error: `Expected a list of items but got type "${pythonType(value)}".` }
  if (value.length === 0) return { error: 'This list may not be empty.' }
  const items = value.map((item) => readText(item, limits))
  const wrong = items.flatMap((item, index) => ('error' in item ? [[String(index), [item.error]]] : []))
  if (wrong.length > 0) return { error: Object.fromEntries(wrong) }
  return { value: items.flatMap((item) => ('value' in item ? [item.value] : [])) }
}

/** A boolean; false if it is missing. */
export function readBoolean(value: Json | undefined): Field<boolean> {
  if (value === undefined) return { value: false }
  if (value === null) return { error: IS_NULL }
  const word = textOf(value).toLowerCase()
  if (['true', 't', 'yes', 'y', 'on', '1'].includes(word)) return { value: true }
  if (['false', 'f', 'no', 'n', 'off', '0', '0.0'].includes(word)) return { value: false }
  return { error: 'Must be a valid boolean.' }
}

export function readAction(value: Json | undefined): Field<'enroll' | 'unenroll'> {
  if (value === undefined) return { error: REQUIRED }
  if (value === null) return { error: IS_NULL }
  if (value === 'enroll' || value === 'unenroll') return { value }
  return { error: `"${textOf(value)}" is not a valid choice.` }
}

/** The errors of the fields that were refused, by name in this order; null if there are none. */
export function errorsOf(fields: Record<string, Field<unknown>>): Record<string, unknown> | null {
  const wrong = Object.entries(fields).flatMap(([name, field]) => {
    if (!('error' in field)) return []
    return [[name, typeof field.error === 'string' ? [field.error] : field.error]]
  })
  return wrong.length > 0 ? Object.fromEntries(wrong) : null
}

/** The errors of a body that is not an object. */
export function notAnObject(data: Json): Record<string, string[]> {
  return { non_field_errors: [`Invalid data. Expected a dictionary, but got ${pythonType(data)}.`] }
}

function pythonType(value: Json): string {
  if (value === null) return 'NoneType'
  if (Array.isArray(value)) return 'list'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float'
  return typeof value === 'string' ? 'str' : 'dict'
}
