import { isIP } from 'node:net'
import { isLocalAddress } from '../lib/network.ts'
import { standardKeyLength } from './checks.ts'
import { type Env, SETTINGS, type Settings } from './settings.ts'

/** A shorter secret gets a warning. It is accepted, because the shop may use it already. */
export const GOOD_SECRET_LENGTH = 16
/** What Standard Webhooks asks for of a secret that begins with whsec_. */
const GOOD_KEY_BYTES = 24

/** Warnings about settings that are accepted: a sentence or two each, without a secret. */
export function warningsFor({ env, settings }: { env: Env; settings: Settings }): string[] {
  const { LERNITO_WEBHOOK_SECRET, LERNITO_WEBHOOK_SECRET_PREVIOUS, LERNITO_LMS_URL, LERNITO_NOTIFY_URL } = settings
  return [
    ...Object.entries({ LERNITO_WEBHOOK_SECRET, LERNITO_WEBHOOK_SECRET_PREVIOUS }).flatMap(aboutSecret),
    ...sampleSecrets(settings).map(
      (name) =>
        `${name} is a sample from the documentation, so everyone knows it and can use it. Replace it: run lernito-openedx doctor.`,
    ),
    ...(isPlainHttpToPublicHost(LERNITO_LMS_URL)
      ? [
          "LERNITO_LMS_URL is http:// to a public host: anyone on the network in between can read the token and the buyers' addresses. Use https://.",
        ]
      : []),
    ...(LERNITO_NOTIFY_URL !== undefined && isPlainHttpToPublicHost(LERNITO_NOTIFY_URL)
      ? ['LERNITO_NOTIFY_URL is http:// to a public host, but its address is a secret. Use https://.']
      : []),
    ...(isPlainDatabaseOnPublicHost(settings.LERNITO_DATABASE_URL)
      ? [
          'LERNITO_DATABASE_URL names a public host without TLS: anyone on the network in between can read and change the sales. End it with ?tls=verify, or with ?tls=off if that network is your own.',
        ]
      : []),
    ...unknownSettings(env).map((name) => `${name} is not a setting of this version. Check its spelling.`),
  ]
}

function aboutSecret([name, secret]: [string, string | undefined]): string[] {
  if (secret === undefined) return []
  const short = `${name} is shorter than ${GOOD_SECRET_LENGTH} characters and could be guessed. Agree on a longer one with the shop.`
  const key = `${name} stands for a key of fewer than ${GOOD_KEY_BYTES} bytes, which Standard Webhooks asks for. Agree on a longer one with the shop.`
  const isShortKey = secret.startsWith('whsec_') && (standardKeyLength(secret) ?? 0) < GOOD_KEY_BYTES
  const spaces = `${name} begins or ends with white space. If the shop's secret does not, every signature is refused.`
  return [
    ...(secret.length < GOOD_SECRET_LENGTH ? [short] : []),
    ...(isShortKey ? [key] : []),
    ...(secret.trim() !== secret ? [spaces] : []),
  ]
}

/** The names in the environment that look like settings but are not. An empty variable counts as not set. */
export function unknownSettings(env: Env): string[] {
  const known = new Set(SETTINGS.flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name])))
  return Object.keys(env).filter((name) => name.startsWith('LERNITO_') && !known.has(name) && env[name] !== '')
}

/** A name of one label resolves only in the local network; these endings are never registered, or belong to a cluster. */
const OWN_NAME = /^[^.]+$|\.(localhost|local|internal|svc|lan|home\.arpa|test|invalid)$/

/** Whether calls go unencrypted to a host that may be on the public internet. Names are not resolved. */
export function isPlainHttpToPublicHost(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && isPublic(hostname)
}

/** Whether the database may be on the public internet, and nobody has decided about TLS. Names are not resolved. */
export function isPlainDatabaseOnPublicHost(url: string): boolean {
  if (!url.startsWith('mysql:')) return false
  const { hostname, search } = new URL(url)
  return search === '' && isPublic(hostname)
}

function isPublic(hostname: string): boolean {
  const host = hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
  return isIP(host) === 0 ? !OWN_NAME.test(host) : !isLocalAddress(host)
}

/** The sandbox's own secrets. They are public, and harmless with an LMS that only this machine reaches. */
const OF_SANDBOX: readonly string[] = ['lernito-sandbox-secret', 'whsec_bgvybml0by1zyw5kym94lwv2zw50cy1zzwnyzxq=']

/** The values of secrets in this project's documents, in lower case. A test finds those that are missing here. */
const OF_DOCUMENTS: readonly string[] = [
  'the secret of the shop',
  'the secret of the application',
  'the secret of the second application',
  'the new secret',
  'the old secret',
  'the-secret',
  'the-old-one',
  'choose-one',
  'choose-another',
  '0123456701234567',
]

/** Whether the text is a secret from the documents, with or without quotation marks around it. */
export function isSampleSecret(text: string): boolean {
  const plain = text.trim().replace(/^(["'])(.*)\1$/, '$2')
  return [...OF_SANDBOX, ...OF_DOCUMENTS].includes(plain.toLowerCase())
}

/**
 * The names of the settings whose secret is a sample, and so known to everyone. The service warns and starts all the
 * same: if an upgrade stopped an installation with such a secret, its sales would be lost until there was a new one.
 */
export function sampleSecrets(settings: Settings): string[] {
  const isSandbox = isOnThisMachine(settings.LERNITO_LMS_URL)
  return SETTINGS.flatMap(({ name, secret }) => {
    const value = secret ? Object.entries(settings).find(([other]) => other === name)?.[1] : undefined
    if (typeof value !== 'string' || !isSampleSecret(value)) return []
    return isSandbox && OF_SANDBOX.includes(value.toLowerCase()) ? [] : [name]
  })
}

const isOnThisMachine = (url: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(url).hostname)
