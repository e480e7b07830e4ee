import { domainToASCII } from 'node:url'

const local = /^[-!#$%&'*+/=?^_`{}|~0-9a-z]+(?:\.[-!#$%&'*+/=?^_`{}|~0-9a-z]+)*$/iu
const domain = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z0-9-]{2,63})(?<!-)$/iu
const maxLength = 320

/** Whether Django's EmailValidator accepts the address: an ASCII local part, and a domain with a dot, even non-ASCII. */
export function isEmailAddress(text: string): boolean {
  const at = text.lastIndexOf('@')
  if (at < 1 || text.length > maxLength || !local.test(text.slice(0, at))) return false
  const host = text.slice(at + 1)
  return host === 'localhost' || domain.test(host) || domain.test(domainToASCII(host))
}
