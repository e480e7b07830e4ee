import { type Inspection, inspectDatabase } from '../../database/inspect.ts'
import { KNOWN_LEVEL } from '../../database/migrations/migrations.ts'
import { TIMING } from '../../queue/replicas/timing.ts'
import { AppError } from '../../service/lib/errors.ts'
import { readSettings, SETTINGS_SCHEMA, type Settings } from '../../service/settings/settings.ts'
import { doubtsAbout } from '../../service/settings/warnings.ts'
import { check, type Finding, failed, type Problem, passed, problem, skipped, type Tools } from '../check.ts'

const problemsOf = (topic: 'settings' | 'secret', of: Parameters<typeof doubtsAbout>[0]): Problem[] =>
  doubtsAbout(of).flatMap(({ cause, name }) => (cause.startsWith(`${topic}.`) ? [problem(cause, { name })] : []))

const SETTINGS = check({
  id: 'settings',
  about: 'whether all settings are present and valid',
  needs: [],
  examine: (_facts, { env }) => {
    const settings = settingsOrLines(env)
    if (Array.isArray(settings)) return failed(settings.map((line) => problem('settings.invalid', { line })))
    const problems = problemsOf('settings', { env, settings })
    return problems.length > 0 ? failed(problems, { settings }) : passed('all settings are valid', { settings })
  },
})

/** The settings, or a line for each wrong one. */
function settingsOrLines(env: Tools['env']): Settings | string[] {
  try {
    return readSettings({ env, schema: SETTINGS_SCHEMA })
  } catch (error) {
    if (error instanceof AppError) return error.message.split('\n')
    throw error
  }
}

const SECRET = check({
  id: 'webhook.secret',
  about: 'the webhook secret: its length, common mistakes, and whether the previous one is still accepted',
  needs: ['settings'],
  examine: ({ settings }, { env }) => {
    const problems = [
      ...problemsOf('secret', { env, settings }),
      ...(settings.LERNITO_WEBHOOK_SECRET_PREVIOUS === undefined ? [] : [problem('secret.previous', {})]),
    ]
    return problems.length > 0 ? failed(problems) : passed('one secret, of sufficient length')
  },
})

const DATABASE = check({
  id: 'database',
  about: 'whether the service can reach and use the database',
  needs: ['settings'],
  examine: async ({ settings: { LERNITO_DATABASE_URL: url, LERNITO_DATABASE_CA_FILE: ca } }, { now, callMs }) => {
    const signal = AbortSignal.timeout(callMs)
    const asked = { url, ca, now, deadAfterMs: TIMING.deadAfterMs, triesLock: true, signal }
    const { name, ...inspected } = await inspectDatabase(asked)
    if (inspected.ok) {
      const problems = writeProblems(name, inspected.found)
      const gives = { database: inspected.found }
      return problems.length > 0 ? failed(problems, gives) : passed(name, gives)
    }
    const { obstacle, reason } = inspected
    return failed([problem(`database.${obstacle}`, { name, reason })])
  },
})

function writeProblems(name: string, { locked, server }: Inspection): Problem[] {
  const variables = server?.readOnly ?? null
  return [
    ...(locked ? [problem('database.locked', { name })] : []),
    ...(variables === null ? [] : [problem('database.read_only', { name, variables })]),
    ...(server?.galera ? [problem('database.galera', { name })] : []),
  ]
}

const LEVEL = check({
  id: 'database.level',
  about: 'whether the tables of the database fit this version',
  needs: ['database'],
  examine: ({ database: { level, oldestCode } }) => {
    const known = String(KNOWN_LEVEL)
    if (oldestCode > KNOWN_LEVEL) return failed([problem('database.too_new', { needed: String(oldestCode), known })])
    if (level === 0) return passed('not migrated yet; the service migrates it at its start')
    if (level < KNOWN_LEVEL) return passed(`level ${level} of ${known}; the service migrates it at its next start`)
    return passed(
      level > KNOWN_LEVEL ? `level ${level}, of a newer version that this version can work with` : `level ${level}`,
    )
  },
})

/** Services come and go, so neither a running nor a missing one is a problem. */
const SERVICES = check({
  id: 'database.services',
  about: 'the services that use the database now (information only)',
  needs: ['settings', 'database'],
  examine: ({ settings, database: { services } }) => {
    const { alive, silent } = services
    if (!settings.LERNITO_DATABASE_URL.startsWith('mysql:')) {
      return passed(alive > 0 ? 'a service is running on this file' : 'no service is running on this file')
    }
    const dead = silent > 0 ? `; ${silent} stopped sending heartbeats` : ''
    return passed(`${alive} ${alive === 1 ? 'service is' : 'services are'} alive${dead}`)
  },
})

const OFF_MS = 5_000
const WRONG_MS = 60_000

/** A clock that is seconds off only confuses. One that is minutes off affects retries and tokens. */
export function compareClocks(whose: string, clock: { readonly theirs: number; readonly ours: number }): Finding {
  const ahead = clock.theirs - clock.ours
  const off = Math.abs(ahead)
  if (off <= OFF_MS) return passed('within 5 seconds')
  const difference = `${Math.round(off / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'}`
  return failed([problem(off > WRONG_MS ? 'clock.wrong' : 'clock.off', { whose, difference })])
}

const DATABASE_CLOCK = check({
  id: 'database.clock',
  about: "the database's clock, compared with this machine's",
  needs: ['database'],
  examine: ({ database: { clock } }) =>
    clock === null ? skipped('SQLite uses the clock of this machine') : compareClocks('the database', clock),
})

export const OUR_CHECKS = [SETTINGS, SECRET, DATABASE, LEVEL, SERVICES, DATABASE_CLOCK]
