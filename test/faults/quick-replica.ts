import { runUntilSignal } from '../../src/cli/command.ts'
import { buildService } from '../../src/service/service.ts'
import { readSettings, SETTINGS_SCHEMA } from '../../src/service/settings/settings.ts'
import { createLog } from '../../src/service/telemetry/log.ts'

/**
 * `serve`, but a replica without a heartbeat counts as dead after 1 s, or DEAD_AFTER_MS. CLOCK_AHEAD_MS sets its clock, FOLLOW_UP_MS the
 * time from one round of the follow-up to the next, CATALOGUE_MS the age at which the catalogue is read anew, and LANDS_MS
 * how late the LMS carries out a call.
 */
const settings = readSettings({ env: process.env, schema: SETTINGS_SCHEMA })
const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
const { DEAD_AFTER_MS = '1000', LANDS_MS = '1000' } = process.env
const timing = { heartbeatMs: 250, deadAfterMs: Number(DEAD_AFTER_MS), landsMs: Number(LANDS_MS) }
const { CLOCK_AHEAD_MS: aheadMs = 0, FOLLOW_UP_MS, CATALOGUE_MS } = process.env
const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))
const [followUpMs, catalogueMs] = [numberOf(FOLLOW_UP_MS), numberOf(CATALOGUE_MS)]
const now = (): number => Date.now() + Number(aheadMs)
process.exitCode = await runUntilSignal(buildService({ settings, log, timing, followUpMs, catalogueMs, now }))
