import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { AppError } from './errors.ts'

const SAMPLES = ['your_secret', 'your_webhook_secret', '123456']
const GOOD_SECRET_LENGTH = 16

const webhookSecret = z
  .string({ error: 'is missing. Set it to the secret that the shop signs its webhooks with' })
  .min(8, { error: 'is too short. Use at least 16 random characters, for example from: openssl rand -hex 32' })
  .refine((text) => !SAMPLES.includes(text.toLowerCase()), {
    error: 'is a sample from the documentation. Use a secret of your own, for example from: openssl rand -hex 32',
  })

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, { error: `must be a whole number from ${least} to ${most}` })
    .transform(Number)
    .refine((number) => number >= least && number <= most, {
      error: `must be a whole number from ${least} to ${most}`,
    })

const httpUrl = z
  .string({ error: 'is missing. Set it to the address of the LMS, for example https://lms.example.com' })
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
    error: 'must be a URL that begins with https:// or http://, for example https://lms.example.com',
  })
  .regex(/^[^\s?#@]*$/, { error: 'must be a plain address without user name, ? or #' })
  .transform((text) => text.replace(/\/+$/, ''))

const databaseUrl = z.string().refine((text) => /^sqlite:.+/.test(text) || isMysqlUrl(text), {
  error:
    'must be sqlite: and a path, for example sqlite:./data/lernito.db, or of the form mysql://user:password@host:port/name, with special characters of the password written as %XX',
})

function isMysqlUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(text)
  const named = hostname !== '' && username !== '' && /^\/[^/]+$/.test(pathname)
  return protocol === 'mysql:' && named && search === '' && hash === '' && /^(%[0-9a-f]{2}|[^%])*$/i.test(password)
}

const needed = (what: string) => z.string({ error: `is missing. Set it to ${what}` })

export interface About {
  /** What it is for, in a sentence or two; the README's table and .env.example are made of these. */
  readonly meaning: string
  readonly fallback?: string
  readonly example?: string
  /** A secret may also be read from the file that NAME_FILE names, and is never shown. */
  readonly secret?: true
}
const about = z.registry<About>()

/** Every setting once: name, meaning, default, check. */
const schema = z.object({
  LERNITO_WEBHOOK_SECRET: webhookSecret.register(about, {
    meaning: 'The secret that the shop signs its webhooks with.',
    example: 'from: openssl rand -hex 32',
    secret: true,
  }),
  LERNITO_WEBHOOK_SECRET_PREVIOUS: webhookSecret.optional().register(about, {
    meaning: 'The secret before it, still accepted while the shop changes over. Remove it afterwards.',
    secret: true,
  }),
  LERNITO_LMS_URL: httpUrl.register(about, {
    meaning: 'Where the service reaches the LMS; beside a Tutor LMS that is http://lms:8000.',
    example: 'https://lms.example.com',
  }),
  LERNITO_LMS_CLIENT_ID: needed(
    'the client id of the OAuth application that was made for this service in the LMS',
  ).register(about, {
    meaning: 'The client id of the OAuth application (grant type client credentials) whose user is staff in the LMS.',
    example: 'lernito',
  }),
  LERNITO_LMS_CLIENT_SECRET: needed(
    'the client secret of the OAuth application that was made for this service in the LMS',
  ).register(about, {
    meaning: 'The client secret of that application.',
    example: 'as the LMS shows it',
    secret: true,
  }),
  LERNITO_LMS_CALLS_PER_MINUTE: wholeNumber(0, 1_000_000).register(about, {
    meaning:
      'How many of the calls that the LMS throttles are made in a minute, by all replicas together. The stock throttle is 120; 0 is no limit.',
    fallback: '110',
  }),
  LERNITO_LMS_CONCURRENCY: wholeNumber(1, 32).register(about, {
    meaning: 'How many calls to the LMS run at once. An LMS with two workers has no room for more.',
    fallback: '2',
  }),
  LERNITO_DATABASE_URL: databaseUrl.register(about, {
    meaning:
      'The database of the inbox: sqlite: and a path, or mysql://user:password@host:port/name for MySQL or MariaDB, which several replicas can share. Special characters of the password are written as %XX.',
    fallback: 'sqlite:./data/lernito.db',
    secret: true,
  }),
  LERNITO_HOST: z.string().register(about, {
    meaning: 'The address to listen on. 0.0.0.0 in a container; 127.0.0.1 behind a proxy on the same machine.',
    fallback: '127.0.0.1',
  }),
  LERNITO_PORT: wholeNumber(0, 65535).register(about, { meaning: 'The port to listen on.', fallback: '8790' }),
  LERNITO_ANSWER_WITHIN_MS: wholeNumber(0, 120_000).register(about, {
    meaning:
      'How long a webhook waits for its enrollment, in milliseconds, before it is answered 500 and goes on in the background. 0 answers 202 as soon as the delivery is stored.',
    fallback: '8000',
  }),
  LERNITO_RETENTION_DAYS: wholeNumber(1, 36_500).register(about, {
    meaning: 'How many days a finished delivery is kept after its last activity. What still waits is never deleted.',
    fallback: '90',
  }),
  LERNITO_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' })
    .register(about, { meaning: 'How much is logged: debug, info, warn or error.', fallback: 'info' }),
})

/** What the declaration says of each setting, in its order. `required`: the service doesn't start without it. */
export const SETTINGS: readonly (About & { readonly name: string; readonly required: boolean })[] = Object.entries(
  schema.shape,
).map(([name, check]) => {
  const meta = about.get(check)
  if (meta === undefined) throw new Error(`${name} is declared without its meaning`)
  return { ...meta, name, required: meta.fallback === undefined && !check.safeParse(undefined).success }
})

export type Settings = z.output<typeof schema>
type Env = Readonly<Record<string, string | undefined>>

/**
 * Reads the settings from environment variables; an empty one counts as not set. Gives the settings and what an
 * operator should know about them. Throws AppError settings.invalid with a line for each setting that is wrong.
 */
export function readSettings({ env }: { env: Env }): { settings: Settings; warnings: string[] } {
  const wrong: string[] = []
  const given: Record<string, string> = {}
  for (const { name, secret, fallback } of SETTINGS) {
    try {
      const value = (secret ? readSecret({ env, name }) : env[name]) || fallback
      if (value !== undefined) given[name] = value
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      wrong.push(error.message)
    }
  }
  const result = schema.safeParse(given)
  const told = new Set(wrong.map((line) => line.split(' ')[0]))
  for (const { path, message } of result.error?.issues ?? []) {
    const name = String(path[0])
    if (!told.has(name)) wrong.push(`${name} ${message}.`)
    told.add(name)
  }
  if (!result.success || wrong.length > 0) throw new AppError('settings.invalid', wrong.join('\n'))
  return { settings: result.data, warnings: warningsFor({ env, settings: result.data }) }
}

function readSecret({ env, name }: { env: Env; name: string }): string | undefined {
  const file = env[`${name}_FILE`]
  if (!file) return env[name]
  if (env[name]) {
    throw new AppError('settings.invalid', `${name} and ${name}_FILE are both set. Keep one of them.`)
  }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new AppError(
      'settings.invalid',
      `${name} can't be read from ${file}. Check ${name}_FILE and its permissions.`,
      {
        cause,
      },
    )
  }
}

function warningsFor({ env, settings }: { env: Env; settings: Settings }): string[] {
  const secrets = {
    LERNITO_WEBHOOK_SECRET: settings.LERNITO_WEBHOOK_SECRET,
    LERNITO_WEBHOOK_SECRET_PREVIOUS: settings.LERNITO_WEBHOOK_SECRET_PREVIOUS,
  }
  const known = new Set(SETTINGS.flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name])))
  return [
    ...Object.entries(secrets).flatMap(([name, secret]) => [
      ...(secret !== undefined && secret.length < GOOD_SECRET_LENGTH
        ? [
            `${name} is shorter than ${GOOD_SECRET_LENGTH} characters and could be guessed. Agree on a longer one with the shop.`,
          ]
        : []),
      ...(secret !== undefined && secret.trim() !== secret
        ? [`${name} begins or ends with white space. If the shop's does not, every signature will be refused.`]
        : []),
    ]),
    ...Object.keys(env)
      .filter((name) => name.startsWith('LERNITO_') && !known.has(name))
      .map((name) => `${name} is not a setting of this version. Check its spelling.`),
  ]
}
