import { oneLine } from './failure.ts'

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

/**
 * Whether two addresses belong to the same person. Letter case doesn't count, as everywhere in the LMS. Its database
 * also takes ä for a, ｅ for e and ı for i (recorded: lms-newer/people-lists.json, 'search_emails: SURPRISE an unknown
 * address that the database takes for another …'), but those are other mailboxes. JavaScript takes the Kelvin sign for
 * k, so an ASCII address never equals one that isn't ASCII.
 */
export function isSameAddress(a: string, b: string): boolean {
  const plain = (text: string): string => text.normalize('NFC').toLowerCase()
  return isAscii(a) === isAscii(b) && plain(a) === plain(b)
}

/** An address for a log or an operator, without the person's name: `a***@example.com`. At most 300 characters. */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const first = /^[\p{L}\p{N}]/u.exec(address)?.[0] ?? ''
  return oneLine(`${first}***${at === -1 ? '' : address.slice(at)}`)
}
