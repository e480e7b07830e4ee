import { z } from 'zod'
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
