import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { z } from 'zod'
import { courseIdentity, isCourseKey } from '../../sale/course-key.ts'
import { isPrivateAddress } from '../lib/network.ts'
import { keyOf } from '../lib/standard-key.ts'

/** Refused from the first version on, so no installation runs with them. Later samples only get a warning. */
const SAMPLES = ['your_secret', 'your_webhook_secret', '123456']

/** Refuses secrets that are far too short or public; warnings.ts warns about weak ones. */
export const webhookSecret = z
  .string({ error: 'is missing. Set it to the secret that the shop signs its webhooks with' })
  .min(8, { error: 'is too short. Use at least 16 random characters, for example from: openssl rand -hex 32' })
  .refine((text) => !SAMPLES.includes(text.toLowerCase()), {
    error: 'is a sample from the documentation. Use a secret of your own, for example from: openssl rand -hex 32',
  })
  .refine((text) => !text.startsWith('whsec_') || keyLength(text) >= 8, {
    error:
      'begins with whsec_, so the rest must be base64 of at least 8 bytes, with any = at its end. Create one of 32: openssl rand -base64 32',
  })

/** How many bytes the key of Standard Webhooks has; 0 if the secret can't be used for one. */
export const keyLength = (secret: string): number => keyOf(secret)?.length ?? 0

/** A whole number from `least` to `most`, both included. */
export const wholeNumber = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`
  const isWithin = (number: number): boolean => number >= least && number <= most
  return z
    .string()
    .regex(/^\d{1,9}$/, { error })
    .transform(Number)
    .refine(isWithin, { error })
}

/** Where to listen: the system would look an address with brackets or a port up as a name. */
export const host = z.string().refine((text) => isIP(text) !== 0 || /^[\w.-]+$/.test(text), {
  error: 'must be an address such as 127.0.0.1 or ::, or a host name, without brackets and without a port',
})

const isHttpUrl = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

/** A base address that paths are appended to, as browsers write it. Slashes at its end are removed. */
export const httpUrl = z
  .string({ error: 'is missing. Set it to the address of the LMS, for example https://lms.example.com' })
  .refine(isHttpUrl, {
    error: 'must be a URL that begins with https:// or http://, such as https://host.example.com',
  })
  .regex(/^[^\s?#@]*$/, { error: 'must be a plain address without user name, ? or #' })
  .transform((text) => new URL(text).href.replace(/\/+$/, ''))

const hasUser = (text: string): boolean => new URL(text).username !== '' || new URL(text).password !== ''

/** An address that is called unchanged: the path and query of a chat's webhook are its secret. `fetch` takes no user name. */
export const httpUrlWithQuery = z
  .string()
  .refine(isHttpUrl, { error: 'must be a URL that begins with https:// or http://', abort: true })
  .refine((text) => !hasUser(text), {
    error: 'must be a URL without user name and password, such as https://chat.example.com/hooks/…',
  })

/**
 * The address that gets events: https, or http to a host on this machine or in a private network that is written as an
 * address, or as localhost.
 */
export const eventsUrl = z
  .string()
  .refine(isHttpUrl, {
    error: 'must be a URL that begins with https://, for example https://shop.example.com/lernito-events',
    abort: true,
  })
  .refine((text) => !hasUser(text) && !text.includes('#'), {
    error: 'must be a URL without user name, password and #',
    abort: true,
  })
  .refine((text) => new URL(text).protocol === 'https:' || isPrivateHost(new URL(text).hostname), {
    error:
      'must begin with https://. Only an address of this machine or of a private network, such as 127.0.0.1, may be http://',
  })

function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  return host === 'localhost' || (isIP(host) !== 0 && isPrivateAddress(host))
}

/** The key for signing events, as Standard Webhooks writes it: whsec_ and base64 of 24 to 64 bytes. */
export const eventsSecret = z
  .string()
  .refine((text) => text.startsWith('whsec_') && keyLength(text) >= 24 && keyLength(text) <= 64, {
    error:
      'must be whsec_ followed by 24 to 64 random bytes in base64, with any = at its end, for example: echo "whsec_$(openssl rand -base64 32)"',
  })

/** A number of hops, or a list of addresses and networks. */
export const trustedProxies = z
  .string()
  .refine((text) => /^\d{1,2}$/.test(text) || text.split(',').every((part) => isAddressOrNetwork(part.trim())), {
    error: 'must be a number of proxies such as 1, or addresses such as 10.0.0.5, 172.16.0.0/12',
  })
  .transform((text) => (/^\d+$/.test(text) ? Number(text) : text.split(',').map((part) => part.trim())))

/** A network of all addresses would trust whatever a sender writes into X-Forwarded-For, and Fastify refuses it. */
function isAddressOrNetwork(text: string): boolean {
  const [address = '', bits = '1', ...rest] = text.split('/')
  const version = isIP(address)
  const isRange = /^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128)
  return version !== 0 && rest.length === 0 && isRange
}

/** A URL that openDatabase takes. */
export const databaseUrl = z
  .string()
  .refine((text) => !/^mysql:.*\?tls=(?!(verify|off)$)/s.test(text), {
    error:
      'has a value of tls other than verify or off. End it with ?tls=verify, or with ?tls=off inside your own network',
    abort: true,
  })
  .refine((text) => /^sqlite:.+/.test(text) || mysqlServerOf(text) !== null, {
    error:
      'must be sqlite: and a path, for example sqlite:./data/lernito.db, or mysql://user:password@host:port/name with special characters of the password written as %XX, and nothing but ?tls=verify or ?tls=off after it',
  })

/** The MySQL or MariaDB server that a URL names, with the user and the database there; null if it isn't such a URL. */
export function mysqlServerOf(url: string) {
  if (!URL.canParse(url)) return null
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(url)
  if (protocol !== 'mysql:' || hostname === '' || username === '' || !/^\/[^/]+$/.test(pathname)) return null
  if (!/^(\?tls=(verify|off))?$/.test(search) || hash !== '') return null
  try {
    return {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? MYSQL_PORT : Number(port),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
      hasTls: search === '?tls=verify',
    }
  } catch {
    return null // some %XX belongs to no character in UTF-8
  }
}
const MYSQL_PORT = 3306

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The path of a file with one certificate or several as PEM; its text comes out. */
export const certificatesFile = z.string().transform((file, context) => {
  try {
    const text = readFileSync(file, 'utf8')
    const certificates = text.match(CERTIFICATE) ?? []
    for (const certificate of certificates) new X509Certificate(certificate)
    if (certificates.length > 0) return text
    context.addIssue(`names a file without a certificate: ${file}. Write the path of a file in PEM format in it`)
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    context.addIssue(`can't be read from ${file} (${why}). Check the path, the permissions, and that the file is PEM`)
  }
  return z.NEVER
})

export const onOrOff = z.enum(['on', 'off'], { error: 'must be on or off' }).transform((text) => text === 'on')

/** What the shop is told of how buyers do in their courses. */
export const outcomes = z.enum(['off', 'on', 'grades'], { error: 'must be off, on or grades' })

/**
 * A slug, or key=slug entries separated by commas. No course key has a comma or an equals sign. Of what comes out, `all` is
 * the mode of the courses that aren't named.
 */
export const courseModes = z
  .string()
  .refine((text) => isSlug(text.trim()) || entriesOf(text).every(([key, slug]) => isCourseKey(key) && isSlug(slug)), {
    error:
      'must be a course mode such as honor, or entries such as course-v1:Org+Course+Run=verified, with commas between',
  })
  .refine((text) => new Set(entriesOf(text).map(([key]) => courseIdentity(key))).size === entriesOf(text).length, {
    error: 'names a course twice',
  })
  .transform((text) => {
    const slug = text.trim()
    return isSlug(slug)
      ? { all: slug, byCourse: new Map<string, string>() }
      : { all: null, byCourse: new Map(entriesOf(text)) }
  })

const isSlug = (text: string): boolean => /^[A-Za-z0-9_-]{1,100}$/.test(text)

function entriesOf(text: string): [string, string][] {
  return text.split(',').map((entry) => {
    const [key = '', slug = '', ...rest] = entry.trim().split('=')
    return [key.trim(), rest.length > 0 ? '' : slug.trim()]
  })
}

/** Any text. `what` completes the error message if it is missing. */
export const needed = (what: string) => z.string({ error: `is missing. Set it to ${what}` })
