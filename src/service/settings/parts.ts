import type { z } from 'zod'
import { SETTINGS_SCHEMA } from './settings.ts'

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
