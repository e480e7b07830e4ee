import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import {
  certificatesFile,
  courseModes,
  databaseUrl,
  eventsSecret,
  eventsUrl,
  host,
  httpUrl,
  httpUrlWithQuery,
  needed,
  onOrOff,
  outcomes,
  trustedProxies,
  webhookSecret,
  wholeNumber,
} from './checks.ts'
import about from './settings.json' with { type: 'json' }

/** Environment variables. An empty one counts as not set. */
export type Env = Readonly<Record<string, string | undefined>>

/** Every setting once: its name and its check. settings.json says what it means, in the same order. */
export const SETTINGS_SCHEMA = z.object({
  LERNITO_WEBHOOK_SECRET: webhookSecret,
  LERNITO_WEBHOOK_SECRET_PREVIOUS: webhookSecret.optional(),
  LERNITO_LMS_URL: httpUrl,
  LERNITO_LMS_CLIENT_ID: needed('the client ID of the OAuth application for this service in the LMS'),
  LERNITO_LMS_CLIENT_SECRET: needed('the client secret of the OAuth application for this service in the LMS'),
  LERNITO_LMS_PUBLIC_URL: httpUrl.optional(),
  LERNITO_LMS_CALLS_PER_MINUTE: wholeNumber(0, 1_000_000),
  LERNITO_LMS_CONCURRENCY: wholeNumber(1, 32),
  LERNITO_EMAIL_STUDENTS: onOrOff,
  LERNITO_COURSE_MODE: courseModes.optional(),
  LERNITO_DATABASE_URL: databaseUrl,
  LERNITO_DATABASE_CA_FILE: certificatesFile.optional(),
  LERNITO_HOST: host,
  LERNITO_PORT: wholeNumber(0, 65535),
  LERNITO_PUBLIC_URL: httpUrl.optional(),
  LERNITO_TRUSTED_PROXIES: trustedProxies,
  LERNITO_ANSWER_WITHIN_MS: wholeNumber(0, 120_000),
  LERNITO_REFUNDS: onOrOff,
  LERNITO_DRAIN_MS: wholeNumber(0, 10_000),
  LERNITO_RETENTION_DAYS: wholeNumber(1, 36_500),
  LERNITO_CONSOLE_CLIENT_ID: z.string().optional(),
  LERNITO_CONSOLE_CLIENT_SECRET: z.string().optional(),
  LERNITO_NOTIFY_URL: httpUrlWithQuery.optional(),
  LERNITO_EVENTS_URL: eventsUrl.optional(),
  LERNITO_EVENTS_SECRET: eventsSecret.optional(),
  LERNITO_OUTCOMES: outcomes,
  LERNITO_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' }),
})

interface About {
  /** What the setting is, as a noun phrase. The table of settings and .env.example are generated from these. */
  readonly meaning: string
  /** The value where none is set. */
  readonly fallback?: string
  readonly example?: string
  /** The value can come from the file that NAME_FILE names, and is never shown. */
  readonly secret?: boolean
}
const ABOUT: Readonly<Record<keyof Settings, About>> = about

/** Each setting with what settings.json says of it. `required`: the service doesn't start without it. */
export const SETTINGS: readonly (About & { readonly name: string; readonly required: boolean })[] =
  SETTINGS_SCHEMA.keyof().options.map((name) => {
    const isOptional = SETTINGS_SCHEMA.shape[name].safeParse(undefined).success
    return { ...ABOUT[name], name, required: ABOUT[name].fallback === undefined && !isOptional }
  })

export type Settings = z.output<typeof SETTINGS_SCHEMA>

/** What a command needs that reads or changes the inbox. The address of the events says whether it stores them. */
export const INBOX_SETTINGS = SETTINGS_SCHEMA.pick({
  LERNITO_DATABASE_URL: true,
  LERNITO_DATABASE_CA_FILE: true,
  LERNITO_EVENTS_URL: true,
})
export type InboxSettings = z.output<typeof INBOX_SETTINGS>

/** What a command needs that asks the LMS. */
export const LMS_SETTINGS = SETTINGS_SCHEMA.pick({
  LERNITO_LMS_URL: true,
  LERNITO_LMS_CLIENT_ID: true,
  LERNITO_LMS_CLIENT_SECRET: true,
  LERNITO_LMS_CALLS_PER_MINUTE: true,
  LERNITO_COURSE_MODE: true,
})
export type LmsSettings = z.output<typeof LMS_SETTINGS>

/** Not a setting of this service, but Node.js would apply it to every connection that doesn't override it. */
const NO_CHECK =
  'NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates: an attacker on the network could steal the token. Remove it. For a certificate authority of your own, set NODE_EXTRA_CA_CERTS to the file of its certificate.'

/** Neither works without the other. */
const EVENTS = [
  ['LERNITO_EVENTS_URL', 'LERNITO_EVENTS_SECRET'],
  ['LERNITO_EVENTS_SECRET', 'LERNITO_EVENTS_URL'],
] as const

const OUTCOMES_WITHOUT_EVENTS =
  'LERNITO_OUTCOMES tells the shop by events, so it needs LERNITO_EVENTS_URL and LERNITO_EVENTS_SECRET: set them, or LERNITO_OUTCOMES=off.'

const UNUSED_CA =
  'LERNITO_DATABASE_CA_FILE has no effect without TLS. End LERNITO_DATABASE_URL with ?tls=verify, or remove the file.'

/**
 * Reads the settings of `schema` from environment variables, and no other: a command demands only those that it needs.
 * Throws AppError settings.invalid with a line for each of them that is wrong.
 */
export function readSettings<Schema extends z.ZodObject>(from: { env: Env; schema: Schema }): z.output<Schema> {
  const { env, schema } = from
  const { given, unreadable } = readGiven(env, Object.keys(schema.shape))
  const result = schema.safeParse(given)
  const wrong = new Map(unreadable)
  for (const { path, message } of result.error?.issues ?? []) {
    const name = String(path[0])
    if (!wrong.has(name)) wrong.set(name, `${name} ${message}.`) // the first error of each is enough
  }
  for (const [one, other] of EVENTS) {
    if (!(other in schema.shape) || given[one] === undefined || given[other] !== undefined) continue
    if (!wrong.has(other)) wrong.set(other, `${other} is missing. ${one} needs it: set both, or none.`)
  }
  const { LERNITO_OUTCOMES: outcomes = 'off', LERNITO_EVENTS_URL: events } = given
  if (outcomes !== 'off' && events === undefined && !wrong.has('LERNITO_OUTCOMES')) {
    wrong.set('LERNITO_OUTCOMES', OUTCOMES_WITHOUT_EVENTS)
  }
  const { LERNITO_DATABASE_CA_FILE: ca, LERNITO_DATABASE_URL: url = '' } = given
  if (ca !== undefined && !url.endsWith('?tls=verify') && !wrong.has('LERNITO_DATABASE_URL')) {
    wrong.set('LERNITO_DATABASE_CA_FILE', UNUSED_CA)
  }
  const lines = [...(env.NODE_TLS_REJECT_UNAUTHORIZED === '0' ? [NO_CHECK] : []), ...wrong.values()]
  if (!result.success || lines.length > 0) throw new AppError('settings.invalid', lines.join('\n'))
  return result.data
}

/** The text of each setting that is set. `unreadable`: why a secret could not be read, by its name. */
function readGiven(
  env: Env,
  names: readonly string[],
): { given: Record<string, string>; unreadable: Map<string, string> } {
  const given: Record<string, string> = {}
  const unreadable = new Map<string, string>()
  for (const { name, secret, fallback } of SETTINGS) {
    if (!names.includes(name)) continue
    try {
      const value = (secret ? readSecret({ env, name }) : env[name]) || fallback
      if (value !== undefined) given[name] = value
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      unreadable.set(name, error.message)
    }
  }
  return { given, unreadable }
}

/**
 * A secret from NAME, or from the file that NAME_FILE names. Throws AppError settings.invalid if both are set, or the
 * file can't be read or is empty.
 */
export function readSecret({ env, name }: { env: Env; name: string }): string | undefined {
  const file = env[`${name}_FILE`]
  if (!file) return env[name]
  if (env[name]) {
    throw new AppError(
      'settings.invalid',
      // The image and the systemd unit set LERNITO_DATABASE_URL, and an operator can't remove it there.
      `${name} and ${name}_FILE are both set. Keep one of them, and set the other to nothing if you can't remove it.`,
    )
  }
  const text = readText({ file, name })
  // Nobody wants the default here: for the database, that is another one.
  if (text === '') {
    throw new AppError(
      'settings.invalid',
      `${name} can't be read from ${file}, because the file is empty. Write the value into it, or remove ${name}_FILE.`,
    )
  }
  return text
}

function readText({ file, name }: { file: string; name: string }): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new AppError(
      'settings.invalid',
      `${name} can't be read from ${file}. Check the path in ${name}_FILE and the permissions of the file.`,
      { cause },
    )
  }
}
