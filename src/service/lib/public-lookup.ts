import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isPrivateAddress } from './network.ts'

/** The system's look-up, with all addresses of a name. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** The name of an endpoint resolves to an address that isn't on the public internet. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
}

/**
 * The look-up for connections to a URL's host. A host name that resolves to a private address is refused, at each
 * connection, so that nobody who controls the name can point this service at its own network. An address in the URL is
 * connected to without a look-up, and localhost says what it is: the operator wants these.
 */
export function publicLookup(url: URL, resolve: Resolve = systemLookup): LookupFunction {
  const isAllowed = url.hostname === 'localhost'
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const found = isAllowed ? null : refusedOf(addresses)
      if (found !== null) {
        const why = `${hostname} resolves to the private address ${found}. If that is right, set LERNITO_EVENTS_URL to the address instead of the name.`
        return callback(new PrivateAddressError(why), '')
      }
      if (options.all) return callback(null, addresses)
      const [first] = addresses
      return callback(null, first?.address ?? '', first?.family)
    })
  }
}

const refusedOf = (addresses: readonly LookupAddress[]): string | null =>
  addresses.find(({ address }) => isPrivateAddress(address))?.address ?? null
