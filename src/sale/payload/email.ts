import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'

/** Django refuses a longer text without parsing it. */
const MAX_LENGTH = 320
/** The length of the longest IPv6 address that contains no IPv4 address; Django refuses longer ones. */
const MAX_IPV6_LENGTH = 39
const MAX_LABEL_LENGTH = 63

/**
 * With Python's IGNORECASE, four letters outside ASCII match A to Z: İ, ı, ſ (a long s) and the Kelvin sign. Django
 * compiles its rule with that flag.
 */
const MORE_LETTERS = '\u0130\u0131\u017f\u212a'
const ATOM = new RegExp(`^[-!#$%&'*+/=?^_\`{|}~0-9A-Za-z${MORE_LETTERS}]+$`)
const LABEL = new RegExp(`^[-0-9A-Za-z${MORE_LETTERS}]+$`)
/** A domain with something outside ASCII, and in ASCII only what a domain may have. */
const IDN = /^(?=.*[^\0-\x7f])[-.0-9A-Za-z\u{80}-\u{10ffff}]+$/u
const LITERAL = /^\[([A-Fa-f0-9:.]+)\]$/
const NOT_QUOTABLE = '\0\t\n\r "\\'
const NOT_ESCAPABLE = '\0\n\r'

/**
 * Whether Django 4.2's EmailValidator accepts the text as an e-mail address. The time is proportional to the length. A
 * domain outside ASCII is read by UTS #46, as browsers do; Python's codec follows the older IDNA 2003 (RFC 3490).
 * Recorded: lernito-webhook.json, group "email".
 */
export function isEmail(text: string): boolean {
  const at = text.lastIndexOf('@')
  if (at === -1 || (text.length > MAX_LENGTH && [...text].length > MAX_LENGTH)) return false
  return isUserPart(text.slice(0, at)) && isDomainPart(text.slice(at + 1))
}

function isUserPart(text: string): boolean {
  return text.split('.').every((atom) => ATOM.test(atom)) || isQuoted(text)
}

function isQuoted(text: string): boolean {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return false
  let escaped = false
  for (const char of text.slice(1, -1)) {
    if (!escaped && char === '\\') escaped = true
    else if (char > '\x7f' && !MORE_LETTERS.includes(char)) return false
    else if ((escaped ? NOT_ESCAPABLE : NOT_QUOTABLE).includes(char)) return false
    else escaped = false
  }
  return !escaped
}

function isDomainPart(text: string): boolean {
  if (text === 'localhost' || isDomain(text)) return true
  // domainToASCII reads a host as a URL has it: it would decode %41, and end at a colon or a slash.
  return IDN.test(text) && isDomain(domainToASCII(text))
}

function isDomain(text: string): boolean {
  const address = LITERAL.exec(text)?.[1]
  if (address !== undefined) return isIPv4(address) || (isIPv6(address) && address.length <= MAX_IPV6_LENGTH)
  const labels = text.split('.')
  const top = labels.pop() ?? ''
  return labels.length > 0 && labels.every((label) => isLabel(label) && !label.startsWith('-')) && isTopLabel(top)
}

const isLabel = (label: string): boolean =>
  LABEL.test(label) && label.length <= MAX_LABEL_LENGTH && !label.endsWith('-')

/** The last label may begin with a hyphen: Django's rule for it differs from the rule for the others. */
const isTopLabel = (label: string): boolean => isLabel(label) && label.length >= 2
