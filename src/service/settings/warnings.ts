import { isIP } from 'node:net'
import { isLocalAddress, isLoopback } from '../lib/network.ts'
import { keyLength } from './checks.ts'
import { type Env, SETTINGS, type Settings } from './settings.ts'
import warnings from './warnings.json' with { type: 'json' }

const { texts, samples } = warnings

/** A shorter secret gets a warning. It is accepted, because the shop may use it already. */
const GOOD_SECRET_LENGTH = 16
/** What Standard Webhooks asks for of a secret that begins with whsec_. */
const GOOD_KEY_BYTES = 24

/** What the LMS gives out for an application. */
const APPLICATIONS = [
  'LERNITO_LMS_CLIENT_ID',
  'LERNITO_LMS_CLIENT_SECRET',
  'LERNITO_CONSOLE_CLIENT_ID',
  'LERNITO_CONSOLE_CLIENT_SECRET',
] as const

/**
 * What is doubtful about a setting that is accepted. The log warns of it at the start, and so does doctor, whose cause it
 * is.
 */
export interface Doubt {
  readonly cause: keyof typeof texts
  /** The name of the setting. */
  readonly name: string
}

/** All doubts: first about the secrets of the webhook, then by cause. */
export function doubtsAbout({ env, settings }: { env: Env; settings: Settings }): Doubt[] {
  const { LERNITO_WEBHOOK_SECRET, LERNITO_WEBHOOK_SECRET_PREVIOUS } = settings
  const { LERNITO_LMS_URL: lms, LERNITO_NOTIFY_URL: notify, LERNITO_DATABASE_URL: database } = settings
  const all: [Doubt['cause'], readonly string[]][] = [
    ['settings.unknown', unknownSettings(env)],
    ['settings.quoted', APPLICATIONS.filter((name) => isQuoted(settings[name] ?? ''))],
    ['settings.plain_database', isPlainDatabaseOnPublicHost(database) ? ['LERNITO_DATABASE_URL'] : []],
    ['settings.plain_http', isPlainHttpToPublicHost(lms) ? ['LERNITO_LMS_URL'] : []],
    ['settings.plain_http', notify !== undefined && isPlainHttpToPublicHost(notify) ? ['LERNITO_NOTIFY_URL'] : []],
    ['settings.sample_secret', sampleSecrets(settings)],
  ]
  return [
    ...Object.entries({ LERNITO_WEBHOOK_SECRET, LERNITO_WEBHOOK_SECRET_PREVIOUS }).flatMap(doubtsAboutSecret),
    ...all.flatMap(([cause, names]) => names.map((name) => ({ cause, name }))),
  ]
}

function doubtsAboutSecret([name, secret]: [string, string | undefined]): Doubt[] {
  if (secret === undefined) return []
  const isShortKey = secret.startsWith('whsec_') && keyLength(secret) < GOOD_KEY_BYTES
  return [
    ...(secret.length < GOOD_SECRET_LENGTH ? [{ cause: 'secret.short', name } as const] : []),
    ...(isShortKey ? [{ cause: 'secret.short_key', name } as const] : []),
    ...(secret.trim() !== secret ? [{ cause: 'secret.space', name } as const] : []),
    ...(isQuoted(secret) ? [{ cause: 'secret.quoted', name } as const] : []),
  ]
}

/** As in a file for Docker's --env-file, which keeps the marks as part of the value. */
const isQuoted = (text: string): boolean => /^(["']).*\1$/.test(text)

/** Warnings about settings that are accepted: a sentence or two each, without a secret. */
export const warningsFor = (of: { env: Env; settings: Settings }): string[] =>
  doubtsAbout(of).map(({ cause, name }) => texts[cause].replace('{name}', () => name))

/** What the programs in examples/ read: a developer of the shop may have them beside the sandbox. */
const OF_EXAMPLES = ['LERNITO_URL', 'LERNITO_QUEUE', 'LERNITO_STATES']

/** The names in the environment that look like settings but are not. An empty variable counts as not set. */
function unknownSettings(env: Env): string[] {
  const settings = SETTINGS.flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name]))
  const known = new Set([...settings, ...OF_EXAMPLES])
  return Object.keys(env).filter((name) => name.startsWith('LERNITO_') && !known.has(name) && env[name] !== '')
}

/** A name of one label resolves only in the local network; these endings are never registered, or belong to a cluster. */
const OWN_NAME = /^[^.]+$|\.(localhost|local|internal|svc|lan|home\.arpa|test|invalid)$/

/** Whether calls go unencrypted to a host that may be on the public internet. Names are not resolved. */
function isPlainHttpToPublicHost(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && isPublic(hostname)
}

/** Whether the database may be on the public internet, and nobody has decided about TLS. Names are not resolved. */
function isPlainDatabaseOnPublicHost(url: string): boolean {
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

/**
 * Secrets that everyone knows, in lower case: those of the sandbox, which are harmless with an LMS that only this machine
 * reaches, and those in this project's documents. A test finds those that are missing.
 */
const { sandbox: OF_SANDBOX, documents: OF_DOCUMENTS } = samples

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
  const isSandbox = isLoopback(new URL(settings.LERNITO_LMS_URL).hostname)
  return SETTINGS.flatMap(({ name, secret }) => {
    const value = secret ? Object.entries(settings).find(([other]) => other === name)?.[1] : undefined
    if (typeof value !== 'string' || !isSampleSecret(value)) return []
    return isSandbox && OF_SANDBOX.includes(value.toLowerCase()) ? [] : [name]
  })
}
