import { runUntilSignal } from '../../src/cli/run-service.ts'
import { buildService } from '../../src/service.ts'
import { readSettings } from '../../src/settings/read.ts'
import { createLog } from '../../src/telemetry/log.ts'

/** `serve` with a short heartbeat: a silent replica is pruned after 1 s. CLOCK_AHEAD_MS offsets its clock. */
const { settings } = readSettings({ env: process.env })
const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
const timing = { heartbeatMs: 250, deadAfterMs: 1000 }
const aheadMs = Number(process.env.CLOCK_AHEAD_MS ?? 0)
process.exitCode = await runUntilSignal(buildService({ settings, log, timing, now: () => Date.now() + aheadMs }))
