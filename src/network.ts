import { isIPv4, isIPv6 } from 'node:net'

/**
 * The network that an address belongs to: an IPv4 address itself, or the first 64 bits of an IPv6 address, since one
 * customer has a network of at least that size. `unknown` if the text is not an address.
 */
export function networkOf(ip: string): string {
  if (isIPv4(ip)) return ip
  if (!isIPv6(ip)) return 'unknown'
  const groups = groupsOf(ip)
  const [a = 0, b = 0] = groups.slice(6)
  if (groups.slice(0, 6).join() === '0,0,0,0,0,65535') return [a >> 8, a & 0xff, b >> 8, b & 0xff].join('.')
  const prefix = groups.slice(0, 4).map((group) => group.toString(16))
  return `${prefix.join(':')}::/64`
}

/** The eight numbers of an IPv6 address, without its zone. */
function groupsOf(ip: string): number[] {
  const [head = [], tail = []] = ip.replace(/%.*/, '').split('::').map(numbersOf)
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
}

function numbersOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number) // the last 32 bits may be in IPv4 notation
    return [a * 256 + b, c * 256 + d]
  })
}
