import { z } from 'zod'
import {
  certificatesFile,
  courseModes,
  databaseUrl,
  eventsSecret,
  eventsUrl,
  httpUrl,
  httpUrlWithQuery,
  needed,
  onOrOff,
  trustedProxies,
  webhookSecret,
  wholeNumber,
} from './checks.ts'

/** Environment variables. An empty one counts as not set. */
export type Env = Readonly<Record<string, string | undefined>>

export interface About {
  /** What the setting is, as a noun phrase. The table of settings and .env.example are generated from these. */
  readonly meaning: string
  readonly fallback?: string
  readonly example?: string
  /** The value can come from the file that NAME_FILE names, and is never shown. */
  readonly secret?: true
}
const about = z.registry<About>()

/** Every setting once: its name, meaning, default and check. */
export const SETTINGS_SCHEMA = z.object({
  LERNITO_WEBHOOK_SECRET: webhookSecret.register(about, {
    meaning:
      'The secret that the shop signs its webhooks with. If it begins with whsec_, the rest is read as base64, as Standard Webhooks does.',
    example: 'the output of: openssl rand -hex 32',
    secret: true,
  }),
  LERNITO_WEBHOOK_SECRET_PREVIOUS: webhookSecret.optional().register(about, {
    meaning:
      'The previous webhook secret, which is also accepted while the shop switches to the new one. Remove it afterwards.',
    secret: true,
  }),
  LERNITO_LMS_URL: httpUrl.register(about, {
    meaning: "The address at which the service reaches the LMS, such as http://lms:8000 inside Tutor's network.",
    example: 'https://lms.example.com',
  }),
  LERNITO_LMS_CLIENT_ID: needed('the client ID of the OAuth application for this service in the LMS').register(about, {
    meaning:
      "The client ID of the service's OAuth application in the LMS, whose grant type is client credentials and whose user is staff.",
    example: 'lernito',
  }),
  LERNITO_LMS_CLIENT_SECRET: needed('the client secret of the OAuth application for this service in the LMS').register(
    about,
    {
      meaning: "The client secret of the service's OAuth application.",
      example: 'the value that the LMS shows',
      secret: true,
    },
  ),
  LERNITO_LMS_PUBLIC_URL: httpUrl.optional().register(about, {
    meaning:
      "The address at which browsers reach the LMS, for the console's sign-in and links, if it differs from LERNITO_LMS_URL.",
    example: 'https://lms.example.com',
  }),
  LERNITO_LMS_CALLS_PER_MINUTE: wholeNumber(0, 1_000_000).register(about, {
    meaning:
      'The call budget: how many throttled calls to the LMS all replicas together make in a minute. Keep it ten below the limit of the LMS, which is 120 in a stock one. 0 means no limit.',
    fallback: '110',
  }),
  LERNITO_LMS_CONCURRENCY: wholeNumber(1, 32).register(about, {
    meaning:
      'How many calls to the LMS all replicas together make at the same time. An LMS with two workers serves no more than 2. With more workers, use at most half their number, so that learners keep the rest.',
    fallback: '2',
  }),
  LERNITO_EMAIL_STUDENTS: onOrOff().register(about, {
    meaning:
      'Whether the LMS sends its own mail to each buyer whom a batch enrolls, once for each sale and course: on or off. A buyer who is enrolled in a call of their own gets none.',
    fallback: 'off',
  }),
  LERNITO_COURSE_MODE: courseModes.optional().register(about, {
    meaning:
      "The course mode to enroll buyers in: one slug for all courses, or a comma-separated list of key=slug. Without it, the LMS chooses the course's default mode.",
    example: 'course-v1:Org+Course+Run=verified',
  }),
  LERNITO_DATABASE_URL: databaseUrl.register(about, {
    meaning:
      'The database: sqlite: and a path on a local disk, for one service; or mysql://user:password@host:port/name for MySQL or MariaDB, which several replicas can share. Write special characters of the password as %XX. End it with ?tls=verify to encrypt the connection and verify the server.',
    fallback: 'sqlite:./data/lernito.db',
    secret: true,
  }),
  LERNITO_DATABASE_CA_FILE: certificatesFile.optional().register(about, {
    meaning:
      "A PEM file with the certificate of the authority that signed the database server's certificate, or with several. For ?tls=verify only. Without it, the authorities of Node.js and of the operating system are trusted.",
    example: '/etc/lernito/database-ca.pem',
  }),
  LERNITO_HOST: z.string().register(about, {
    meaning: 'The address to listen on: 0.0.0.0 in a container, 127.0.0.1 behind a proxy on the same machine.',
    fallback: '127.0.0.1',
  }),
  LERNITO_PORT: wholeNumber(0, 65535).register(about, { meaning: 'The port to listen on.', fallback: '8790' }),
  LERNITO_PUBLIC_URL: httpUrl.optional().register(about, {
    meaning: 'The address at which the shop and operators reach this service. The console needs it for the sign-in.',
    example: 'https://lms.example.com',
  }),
  LERNITO_TRUSTED_PROXIES: trustedProxies.register(about, {
    meaning:
      "The reverse proxies whose X-Forwarded-For is trusted: their number, such as 1, or a comma-separated list of addresses. 0 trusts none. With a wrong value, the log and the console show the address of a proxy in place of the sender's.",
    fallback: '0',
  }),
  LERNITO_ANSWER_WITHIN_MS: wholeNumber(0, 120_000).register(about, {
    meaning:
      'How many milliseconds a webhook waits for its enrollment. After that, the shop gets 500 and the service continues in the background. With 0, the shop gets 202 as soon as the delivery is stored.',
    fallback: '8000',
  }),
  LERNITO_REFUNDS: onOrOff().register(about, {
    meaning:
      'Whether the shop may take buyers out of courses again by POST /api/lernito/refund/: on or off. While it is off, the path answers 404.',
    fallback: 'off',
  }),
  LERNITO_DRAIN_MS: wholeNumber(0, 10_000).register(about, {
    meaning:
      'How many milliseconds the service keeps serving after SIGTERM, while /healthz and /readyz already answer 503. Use more than the interval at which a proxy checks /readyz, so that a restart loses no webhook, or 0 if none does. The stop takes up to 8 seconds more.',
    fallback: '0',
  }),
  LERNITO_RETENTION_DAYS: wholeNumber(1, 36_500).register(about, {
    meaning:
      'How many days a finished delivery is kept after its last activity. Deliveries that wait or need attention are never deleted.',
    fallback: '90',
  }),
  LERNITO_CONSOLE_CLIENT_ID: z.string().optional().register(about, {
    meaning:
      "The client ID of the console's OAuth application in the LMS, whose grant type is authorization code. Without it, there is no console.",
    example: 'lernito-console',
  }),
  LERNITO_CONSOLE_CLIENT_SECRET: z.string().optional().register(about, {
    meaning: "The client secret of the console's OAuth application.",
    secret: true,
  }),
  LERNITO_NOTIFY_URL: httpUrlWithQuery.optional().register(about, {
    meaning:
      'The incoming webhook of a chat, such as Slack or Mattermost, to which the service posts {"text": …} when an operator has to act. Of several replicas one posts. The page Setup of the console sends a test.',
    secret: true,
  }),
  LERNITO_EVENTS_URL: eventsUrl.optional().register(about, {
    meaning:
      "The shop's endpoint for events, to which the service posts the result of each sale. Its host name must not resolve to a private address; if the host is written as an address, it may be private. Needs LERNITO_EVENTS_SECRET.",
    example: 'https://shop.example.com/lernito-events',
  }),
  LERNITO_EVENTS_SECRET: eventsSecret.optional().register(about, {
    meaning:
      'The secret that the service signs events with, as Standard Webhooks defines it: whsec_ and base64 of 24 to 64 bytes.',
    example: 'the output of: echo "whsec_$(openssl rand -base64 32)"',
    secret: true,
  }),
  LERNITO_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' })
    .register(about, { meaning: 'The log level: debug, info, warn or error.', fallback: 'info' }),
})

/** Each setting as it is declared, in order. `required`: the service doesn't start without it. */
export const SETTINGS: readonly (About & { readonly name: string; readonly required: boolean })[] = Object.entries(
  SETTINGS_SCHEMA.shape,
).map(([name, check]) => {
  const meta = about.get(check)
  if (meta === undefined) throw new Error(`${name} is declared without its meaning`)
  return { ...meta, name, required: meta.fallback === undefined && !check.safeParse(undefined).success }
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
