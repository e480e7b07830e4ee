import { runUntilSignal } from '../../../src/cli/command.ts'
import { buildService } from '../../../src/service/service.ts'
import { readSettings, SETTINGS_SCHEMA } from '../../../src/service/settings/settings.ts'
import { createLog } from '../../../src/service/telemetry/log.ts'

/** `serve`, but it looks for causes 20 times a second, and a silent replica stops leading after a second. */
const settings = readSettings({ env: process.env, schema: SETTINGS_SCHEMA })
const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
const timing = { heartbeatMs: 200, deadAfterMs: 1000, landsMs: 1000 }
const notifyTiming = { lookMs: 50, lagMs: 2000, gapMs: 50 }
process.exitCode = await runUntilSignal(buildService({ settings, log, timing, notifyTiming }))
