import { z } from 'zod'
import { databaseUrl, httpUrl, httpUrlWithQuery, needed, trustedProxies, webhookSecret, wholeNumber } from './checks.ts'

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
export const SETTINGS_SCHEMA = z.object({
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
  LERNITO_LMS_PUBLIC_URL: httpUrl.optional().register(about, {
    meaning:
      "Where people's browsers reach the LMS, for the console's sign-in and links, if that is not LERNITO_LMS_URL.",
    example: 'https://lms.example.com',
  }),
  LERNITO_LMS_CALLS_PER_MINUTE: wholeNumber(0, 1_000_000).register(about, {
    meaning:
      'How many of the calls that the LMS throttles are made in a minute, by all replicas together. The stock throttle is 120; 0 is no limit.',
    fallback: '110',
  }),
  LERNITO_LMS_CONCURRENCY: wholeNumber(1, 32).register(about, {
    meaning:
      'How many calls to the LMS run at once, by all replicas together. An LMS with two workers has no room for more.',
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
  LERNITO_PUBLIC_URL: httpUrl.optional().register(about, {
    meaning: 'Where the shop and the operators reach this service. The console needs it to come back from the sign-in.',
    example: 'https://lms.example.com',
  }),
  LERNITO_TRUSTED_PROXIES: trustedProxies.register(about, {
    meaning:
      'The proxies in front whose X-Forwarded-For is believed: how many there are in a row, or their addresses with commas between. 0 is none.',
    fallback: '0',
  }),
  LERNITO_ANSWER_WITHIN_MS: wholeNumber(0, 120_000).register(about, {
    meaning:
      'How long a webhook waits for its enrollment, in milliseconds, before it is answered 500 and goes on in the background. 0 answers 202 as soon as the delivery is stored.',
    fallback: '8000',
  }),
  LERNITO_DRAIN_MS: wholeNumber(0, 10_000).register(about, {
    meaning:
      'How long the service serves on after SIGTERM, in milliseconds, while /healthz and /readyz answer 503 already. A proxy that asks for /readyz more often than that sends nothing to a closed door. 0 if none asks.',
    fallback: '0',
  }),
  LERNITO_RETENTION_DAYS: wholeNumber(1, 36_500).register(about, {
    meaning:
      'How many days a finished delivery is kept after its last activity. What waits or needs attention is never deleted.',
    fallback: '90',
  }),
  LERNITO_CONSOLE_CLIENT_ID: z.string().optional().register(about, {
    meaning:
      'The client id of the OAuth application (grant type authorization code) by which operators sign in to the console. Without it there is no console.',
    example: 'lernito-console',
  }),
  LERNITO_CONSOLE_CLIENT_SECRET: z.string().optional().register(about, {
    meaning: 'The client secret of that application.',
    secret: true,
  }),
  LERNITO_NOTIFY_URL: httpUrlWithQuery.optional().register(about, {
    meaning:
      'Where the service posts {"text": …} when somebody has to look, as the incoming webhooks of Slack, Mattermost and others take it.',
    secret: true,
  }),
  LERNITO_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' })
    .register(about, { meaning: 'How much is logged: debug, info, warn or error.', fallback: 'info' }),
})

/** What the declaration says of each setting, in its order. `required`: the service doesn't start without it. */
export const SETTINGS: readonly (About & { readonly name: string; readonly required: boolean })[] = Object.entries(
  SETTINGS_SCHEMA.shape,
).map(([name, check]) => {
  const meta = about.get(check)
  if (meta === undefined) throw new Error(`${name} is declared without its meaning`)
  return { ...meta, name, required: meta.fallback === undefined && !check.safeParse(undefined).success }
})

export type Settings = z.output<typeof SETTINGS_SCHEMA>
