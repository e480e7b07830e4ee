import { BlockList, isIPv4, isIPv6 } from 'node:net'
import networks from './networks.json' with { type: 'json' }

/** An IPv4 address that is written as an IPv6 address (::ffff:192.0.2.7), as such; any other text as it is. */
export function plainAddress(text: string): string {
  if (!/ffff:/i.test(text) || !isIPv6(text)) return text
  const groups = groupsOf(text)
  return groups.slice(0, 6).join() === MAPPED ? dotted(groups.slice(6)) : text
}

/**
 * The network that an address belongs to: an IPv4 address itself, or the first 64 bits of an IPv6 address, since one
 * customer has a network of at least that size. `unknown` if the text is not an address.
 */
export function networkOf(ip: string): string {
  if (isIPv4(ip)) return ip
  if (!isIPv6(ip)) return 'unknown'
  const prefix = groupsOf(ip)
    .slice(0, 4)
    .map((group) => group.toString(16))
  return `${prefix.join(':')}::/64`
}

/**
 * Whether an address is not one of a host on the public internet: loopback, private and link-local networks, addresses
 * for special use (RFC 6890), and IPv6 addresses that stand for one of those in IPv4. A text that is no address counts
 * as private.
 */
export function isPrivateAddress(ip: string): boolean {
  if (isIPv4(ip)) return PRIVATE.check(ip, 'ipv4')
  if (!isIPv6(ip)) return true
  const inIPv4 = embeddedIPv4(groupsOf(ip))
  return inIPv4 === null ? PRIVATE.check(ip.replace(/%.*/, ''), 'ipv6') : PRIVATE.check(inIPv4, 'ipv4')
}

/** Whether no traffic to this IP address goes through public networks. */
export const isLocalAddress = (ip: string): boolean => LOCAL.check(ip, isIPv4(ip) ? 'ipv4' : 'ipv6')

/** Whether a host, as a URL or a setting names it, is this machine. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(host)

const LOCAL = listOf(networks.local)
const PRIVATE = listOf([...networks.local, ...networks.special])

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/')
    list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}

/** The IPv4 address that an IPv6 address contains: mapped, compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056). Else null. */
function embeddedIPv4(groups: readonly number[]): string | null {
  const prefix = groups.slice(0, 6).join()
  const isLast = prefix === MAPPED || prefix === '100,65435,0,0,0,0'
  const isCompatible = prefix === '0,0,0,0,0,0' && (groups[6] ?? 0) > 0
  const pair = isLast || isCompatible ? groups.slice(6) : groups[0] === 0x2002 ? groups.slice(1, 3) : null
  return pair === null ? null : dotted(pair)
}

/** The first six groups of an IPv4 address that is written as an IPv6 address. */
const MAPPED = '0,0,0,0,0,65535'

const dotted = (pair: readonly number[]): string => pair.flatMap((group) => [group >> 8, group & 0xff]).join('.')

/** The eight numbers of an IPv6 address, without its zone. A URL has it in hexadecimal, also the part in IPv4 notation. */
function groupsOf(ip: string): number[] {
  const { hostname } = new URL(`http://[${ip.replace(/%.*/, '')}]`)
  const [head = [], tail = []] = hostname.slice(1, -1).split('::').map(numbersOf)
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
}

const numbersOf = (text: string): number[] =>
  text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
