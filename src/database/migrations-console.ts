import { CALL_MIGRATIONS } from './migrations-calls.ts'
import { INCIDENT_MIGRATIONS } from './migrations-incidents.ts'
import { REFUSED_MIGRATIONS } from './migrations-refused.ts'
import { REPLAY_MIGRATIONS } from './migrations-replays.ts'
import type { Migration } from './migrations-states.ts'

/** What the console shows beyond deliveries and their events. */
export const CONSOLE_MIGRATIONS: readonly Migration[] = [
  ...INCIDENT_MIGRATIONS,
  ...CALL_MIGRATIONS,
  ...REPLAY_MIGRATIONS,
  ...REFUSED_MIGRATIONS,
]
