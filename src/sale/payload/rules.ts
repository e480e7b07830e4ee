import { pythonNumber } from '../json/canonical.ts'
import { isArray, isFloat, isObject, type Json, JsonNumber, JsonSyntaxError } from '../json/json.ts'
import { readBody } from '../json/utf8.ts'
import type { About, EnrollmentRequest } from '../types.ts'
import { isEmail } from './email.ts'

/** The errors of each field in the words of Django REST framework (DRF); of a list, by the index of each wrong entry. */
export type FieldErrors = Readonly<Record<string, readonly string[] | Readonly<Record<string, readonly string[]>>>>

export type Payload = { readonly request: EnrollmentRequest } | { readonly errors: FieldErrors }

type Read<Value, Errors = readonly string[]> = { readonly value: Value } | { readonly errors: Errors }

interface TextRule {
  /** The error for a boolean, a list or an object. */
  readonly invalid: string
  /** Returns all errors of the trimmed text, in DRF's order. */
  readonly check: (text: string) => readonly string[]
}

const MAX_LENGTH = 255
/**
 * The size of Open edX's column. The original has no such rule: it fails with a 500 if everything else is valid
 * (recorded: lernito-webhook.json, "email 256 characters"), so this check comes last.
 */
const MAX_EMAIL_LENGTH = 254

const REQUIRED = 'This field is required.'
const NULL = 'This field may not be null.'
const BLANK = 'This field may not be blank.'
const BAD_EMAIL = 'Enter a valid email address.'

const TEXT: TextRule = {
  invalid: 'Not a valid string.',
  check: (text) => [...tooLong(text, MAX_LENGTH), ...forbiddenCharacters(text)],
}

const EMAIL: TextRule = {
  invalid: BAD_EMAIL,
  check: (text) => [...forbiddenCharacters(text), ...(isEmail(text) ? [] : [BAD_EMAIL])],
}

/**
 * Applies the payload rules of the original plugin, a DRF 3.16 serializer, in its order and with its texts. In the
 * request, texts are trimmed and numbers are texts (recorded: lernito-webhook.json, groups "fields", "email" and "body").
 */
export function readPayload(json: Json): Payload {
  const read = readFields(json)
  if ('errors' in read) return read
  const { fields } = read
  const name = readText(fields.get('name'), TEXT)
  const family = readText(fields.get('family'), TEXT)
  const username = readText(fields.get('username'), TEXT)
  const email = readText(fields.get('email'), EMAIL)
  const courseIds = readTexts(fields.get('courseIds'))
  if ('errors' in name || 'errors' in family || 'errors' in username || 'errors' in email || 'errors' in courseIds) {
    return { errors: errorsOf({ name, family, username, email, courseIds }) }
  }
  if (courseIds.value.length === 0) {
    return { errors: { non_field_errors: ['At least one courseId must be provided'] } }
  }
  const long = tooLong(email.value, MAX_EMAIL_LENGTH)
  if (long.length > 0) return { errors: { email: long } }
  return {
    request: {
      email: email.value,
      name: name.value,
      family: family.value,
      username: username.value,
      courseIds: courseIds.value,
    },
  }
}

/** The fields of a payload, by their names; or the error of one that is no object. */
export function readFields(
  json: Json,
): { readonly fields: ReadonlyMap<string, Json> } | { readonly errors: FieldErrors } {
  if (isObject(json)) return { fields: json }
  if (json === null) return { errors: { non_field_errors: ['No data provided'] } }
  return { errors: { non_field_errors: [`Invalid data. Expected a dictionary, but got ${pythonType(json)}.`] } }
}

/** The searchable fields of a refused payload, where they are texts, so that an operator can find it. */
export function aboutOf(json: Json): About {
  if (!isObject(json)) return {}
  const textOf = (node: Json | undefined): string[] => (typeof node === 'string' ? [node.toWellFormed()] : [])
  const [email] = textOf(json.get('email'))
  const [username] = textOf(json.get('username'))
  const courses = json.get('courseIds')
  return {
    ...(email === undefined ? {} : { email }),
    ...(username === undefined ? {} : { username }),
    ...(courses !== undefined && isArray(courses) ? { courseIds: courses.flatMap(textOf) } : {}),
  }
}

/** The same of a stored body; empty if it can't be read. */
export function aboutOfBody(body: Uint8Array): About {
  const json = readBody(body)
  return json instanceof JsonSyntaxError ? {} : aboutOf(json)
}

function errorsOf(fields: Readonly<Record<string, Read<unknown, FieldErrors[string]>>>): FieldErrors {
  const errors: Record<string, FieldErrors[string]> = {}
  for (const [field, read] of Object.entries(fields)) if ('errors' in read) errors[field] = read.errors
  return errors
}

/** A webhook-id may have as many characters. */
const MAX_ID_LENGTH = 256
const ID: TextRule = {
  ...TEXT,
  check: (text) => [...tooLong(text, MAX_ID_LENGTH), ...forbiddenCharacters(text)],
}

/**
 * Reads a field with an id that may be missing, by the rules for a text. Of a payload that is no object, there is none:
 * readPayload refuses it.
 */
export function readOptionalId(
  json: Json,
  field: string,
): { readonly value: string | null } | { readonly errors: FieldErrors } {
  const node = isObject(json) ? json.get(field) : undefined
  if (node === undefined) return { value: null }
  const read = readText(node, ID)
  return 'errors' in read ? { errors: { [field]: read.errors } } : read
}

function readText(node: Json | undefined, rule: TextRule): Read<string> {
  if (node === undefined) return { errors: [REQUIRED] }
  if (node === null) return { errors: [NULL] }
  if (typeof node !== 'string' && !(node instanceof JsonNumber)) return { errors: [rule.invalid] }
  const value = typeof node === 'string' ? pythonStrip(node) : pythonNumber(node)
  if (value === '') return { errors: [BLANK] }
  const errors = rule.check(value)
  return errors.length > 0 ? { errors } : { value }
}

/** A list of texts, by the rules for a text. */
export function readTexts(node: Json | undefined): Read<readonly string[], FieldErrors[string]> {
  if (node === undefined) return { errors: [REQUIRED] }
  if (node === null) return { errors: [NULL] }
  if (!isArray(node)) return { errors: [`Expected a list of items but got type "${pythonType(node)}".`] }
  const value: string[] = []
  const errors: Record<string, readonly string[]> = {}
  for (const [index, item] of node.entries()) {
    const read = readText(item, TEXT)
    if ('errors' in read) errors[index] = read.errors
    else value.push(read.value)
  }
  return Object.keys(errors).length > 0 ? { errors } : { value }
}

/** The error of a text that is too long; none if it isn't. Python counts code points. */
export function tooLong(text: string, limit: number): readonly string[] {
  if (text.length <= limit || [...text].length <= limit) return []
  return [`Ensure this field has no more than ${limit} characters.`]
}

function forbiddenCharacters(text: string): readonly string[] {
  const errors = text.includes('\0') ? ['Null characters are not allowed.'] : []
  const surrogate = /\p{Surrogate}/u.exec(text)?.[0]
  if (surrogate === undefined) return errors
  const code = surrogate.charCodeAt(0).toString(16).toUpperCase()
  return [...errors, `Surrogate characters are not allowed: U+${code}.`]
}

/** White space as in `str.strip`. JavaScript's trim also removes U+FEFF, but not U+001C to U+001F and U+0085. */
const isSpace = (char: string): boolean => /[^\S\ufeff]/.test(char) || '\x1c\x1d\x1e\x1f\x85'.includes(char)

function pythonStrip(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isSpace(text.charAt(start))) start++
  while (end > start && isSpace(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

function pythonType(node: Exclude<Json, null>): string {
  if (typeof node === 'boolean') return 'bool'
  if (typeof node === 'string') return 'str'
  if (node instanceof JsonNumber) return isFloat(node) ? 'float' : 'int'
  return isArray(node) ? 'list' : 'dict'
}
