import { runUntilSignal } from '../../src/cli/run-service.ts'
import { buildService } from '../../src/service.ts'
import { readSettings } from '../../src/settings/read.ts'
import { createLog } from '../../src/telemetry/log.ts'

/** `serve`, but a replica is given up for dead after one second instead of twenty. */
const { settings } = readSettings({ env: process.env })
const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
const service = buildService({ settings, log, timing: { heartbeatMs: 200, deadAfterMs: 1000 } })
process.exitCode = await runUntilSignal(service)
