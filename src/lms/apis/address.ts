import { oneLine } from '../client/failure.ts'

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

/**
 * Whether two addresses belong to the same person. Letter case doesn't count, as everywhere in the LMS. Its database
 * also takes ä for a, ｅ for e and ı for i (recorded: lms-newer/people-lists.json, 'search_emails: SURPRISE an unknown
 * address that the database takes for another …'), but those are other mailboxes. JavaScript takes the Kelvin sign for
 * k, so an ASCII address never equals one that isn't ASCII.
 */
export function isSameAddress(a: string, b: string): boolean {
  return addressKey(a) === addressKey(b)
}

/** A text that two addresses share if they belong to the same person; see isSameAddress. */
export const addressKey = (address: string): string =>
  `${isAscii(address) ? 'ascii' : 'other'} ${address.normalize('NFC').toLowerCase()}`

/**
 * A text that two addresses share if the LMS's database most likely takes them for each other: without accents, and with
 * plain forms of compatibility characters. It doesn't cover every rule of the collation.
 */
const addressLikeness = (address: string): string =>
  address.normalize('NFKD').replace(/\p{M}/gu, '').replaceAll('ı', 'i').replaceAll('ß', 'ss').trimEnd().toLowerCase()

/**
 * Those of the texts that the LMS's database may take for this one: the most likely ones, or all of them where that
 * can't be told.
 */
export function takenFor(text: string, texts: readonly string[]): readonly string[] {
  const alike = texts.filter((other) => addressLikeness(other) === addressLikeness(text))
  return alike.length > 0 ? alike : texts
}

/** An address for a log or an operator, without the person's name: `a***@example.com`. At most 300 characters. */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const first = /^[\p{L}\p{N}]/u.exec(address)?.[0] ?? ''
  return oneLine(`${first}***${at === -1 ? '' : address.slice(at)}`)
}
