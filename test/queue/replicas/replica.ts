import { runUntilSignal } from '../../../src/cli/command.ts'
import { buildService } from '../../../src/service/service.ts'
import { readSettings, SETTINGS_SCHEMA } from '../../../src/service/settings/settings.ts'
import { createLog } from '../../../src/service/telemetry/log.ts'

/**
 * `serve`, but a silent replica is pruned after one second instead of twenty, or after DEAD_AFTER_MS, and its machine's
 * clock is TEST_CLOCK_AHEAD_MS ahead. RETENTION_MS is the time from one round of the retention to the next. On a busy
 * machine, one that lives may be silent for a second too.
 */
const settings = readSettings({ env: process.env, schema: SETTINGS_SCHEMA })
const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
const { TEST_CLOCK_AHEAD_MS: ahead = 0, RETENTION_MS } = process.env
const now = (): number => Date.now() + Number(ahead)
const service = buildService({
  settings,
  log,
  now,
  retentionMs: RETENTION_MS === undefined ? undefined : Number(RETENTION_MS),
  timing: {
    heartbeatMs: 200,
    deadAfterMs: Number(process.env.DEAD_AFTER_MS ?? 1000),
    landsMs: Number(process.env.LANDS_MS ?? 1000),
  },
})
process.exitCode = await runUntilSignal(service)
