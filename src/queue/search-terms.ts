import { createHash } from 'node:crypto'
import { plainKey } from '../sale/course-key.ts'
import { isArray, isObject, type Json, JsonNumber, JsonSyntaxError } from '../sale/json/json.ts'
import { readBody } from '../sale/json/utf8.ts'
import type { About } from '../sale/types.ts'

const MAX_EMAIL = 254
const MAX_TEXT = 255
/** Characters of the text that a search looks through; the buyer and the courses come first. */
const MAX_SEARCHED = 4000

/** The columns by which operators find a delivery. */
interface SearchTerms {
  readonly email: string | null
  readonly username: string
  /** A line for each value of the payload, each between two line breaks. */
  readonly text: string
}

/**
 * A text as it is stored and searched for. Cut after lower-casing, which can lengthen a text ("İ"), to fit its column. The
 * Kelvin sign stays, because its lower case is a k: an address with it would be that of another buyer.
 */
const term = (text: string, max: number): string =>
  text
    .trim()
    .replace(/[^\u212a]+/g, (part) => part.toLowerCase())
    .slice(0, max)
/** An e-mail address. */
export const emailTerm = (text: string): string => term(text, MAX_EMAIL)
/** A username. */
export const textTerm = (text: string): string => term(text, MAX_TEXT)
/** A course key: the same for all spellings of one course. */
export const courseTerm = (key: string): string => textTerm(plainKey(key.trim()))
/** Letters that Unicode does not decompose, as people type them on a keyboard that lacks them. */
const LETTERS: Readonly<Record<string, string>> = { œ: 'oe', æ: 'ae', ø: 'o', ł: 'l', đ: 'd', ß: 'ss' }
/** Letters without their case, accents and what nobody sees, such as marks of direction around a pasted text. */
export const foldLetters = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase()
    .replace(/[œæøłđß]/g, (letter) => LETTERS[letter] ?? letter)
/** The same of a text, on one line. */
export const fold = (text: string): string => foldLetters(text).replace(/\s+/g, ' ').trim()
/** A course key as the text has it that a search looks through, whatever its spelling. */
export const courseLine = (key: string): string => `\n${foldKey(key)}\n`
/** The same for all spellings of one course, and for keys that only an accent distinguishes, as a search finds them. */
export const foldKey = (key: string): string => fold(plainKey(key.trim()))

/**
 * The search terms of a sale: those of the fields that the shop must send, and the text of all other values in its
 * payload, such as the shop's order number.
 * @param of.body the payload as it was sent: JSON in UTF-8
 */
export function searchTermsOf({
  about,
  body,
  webhookId = '',
}: {
  about: About
  body: Uint8Array
  webhookId?: string | undefined
}): SearchTerms {
  const { email, name = '', family = '', username = '', courseIds = [] } = about
  const first = [email ?? '', `${name} ${family}`, username, webhookId, ...courseIds]
  // The plain keys come before what may be cut off, because lists are filtered by them.
  const texts = [...first.map(fold), ...courseIds.map(foldKey), ...valuesOf(readPayload(body)).map(fold)]
  const lines = new Set(texts.filter((text) => text !== ''))
  return {
    email: email === undefined ? null : emailTerm(email),
    username: textTerm(username),
    text: `\n${[...lines].join('\n').slice(0, MAX_SEARCHED)}\n`,
  }
}

/** null for a payload that can't be read: what is known of it is in `about`. */
function readPayload(body: Uint8Array): Json {
  const json = readBody(body)
  return json instanceof JsonSyntaxError ? null : json
}

/** All texts and numbers in a payload, without the names of its fields. */
function valuesOf(json: Json): string[] {
  const values: string[] = []
  const rest: Json[] = [json] // no recursion: a sender decides how deep a payload is
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    if (typeof node === 'string') values.push(node)
    else if (node instanceof JsonNumber) values.push(node.digits)
    else if (isArray(node)) rest.push(...node.toReversed())
    else if (isObject(node)) rest.push(...[...node.values()].toReversed())
  }
  return values
}

/**
 * By what forget finds the webhook-id of a refund that no delivery knows of.
 * @param address as it is stored: see emailTerm
 */
export const digestOfAddress = (address: string): string => createHash('sha256').update(address).digest('hex')
