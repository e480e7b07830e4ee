import type { Inspection } from '../../database/inspection.ts'
import { KNOWN_LEVEL } from '../../database/migrations/migrations.ts'
import { AppError } from '../../service/lib/errors.ts'
import { readSettings } from '../../service/settings/read.ts'
import type { Settings } from '../../service/settings/settings.ts'
import {
  GOOD_SECRET_LENGTH,
  isPlainDatabaseOnPublicHost,
  isPlainHttpToPublicHost,
  sampleSecrets,
  unknownSettings,
} from '../../service/settings/warnings.ts'
import { type Problem, problem } from '../causes.ts'
import { check, failed, passed, skipped, type Tools } from '../check.ts'

const SETTINGS = check({
  id: 'settings',
  about: 'whether all settings are present and valid',
  needs: [],
  examine: (_facts, { env }) => {
    const settings = settingsOrLines(env)
    if (Array.isArray(settings)) return failed(settings.map((line) => problem('settings.invalid', { line })))
    const open = (['LERNITO_LMS_URL', 'LERNITO_NOTIFY_URL'] as const).filter((name) => {
      const url = settings[name]
      return url !== undefined && isPlainHttpToPublicHost(url)
    })
    const problems = [
      ...unknownSettings(env).map((name) => problem('settings.unknown', { name })),
      ...(isPlainDatabaseOnPublicHost(settings.LERNITO_DATABASE_URL) ? [problem('settings.plain_database', {})] : []),
      ...open.map((name) => problem('settings.plain_http', { name })),
      ...sampleSecrets(settings).map((name) => problem('settings.sample_secret', { name })),
    ]
    return problems.length > 0 ? failed(problems, { settings }) : passed('all settings are valid', { settings })
  },
})

/** The settings, or a line for each wrong one. */
function settingsOrLines(env: Tools['env']): Settings | string[] {
  try {
    return readSettings({ env }).settings
  } catch (error) {
    if (error instanceof AppError) return error.message.split('\n')
    throw error
  }
}

function secretProblems(name: string, secret: string): Problem[] {
  return [
    ...(secret.length < GOOD_SECRET_LENGTH ? [problem('secret.short', { name })] : []),
    ...(secret.trim() === secret ? [] : [problem('secret.space', { name })]),
    ...(/^(["']).*\1$/.test(secret) ? [problem('secret.quoted', { name })] : []),
  ]
}

const SECRET = check({
  id: 'webhook.secret',
  about: 'the webhook secret: its length, common mistakes, and whether the previous one is still accepted',
  needs: ['settings'],
  examine: ({ settings }) => {
    const { LERNITO_WEBHOOK_SECRET: secret, LERNITO_WEBHOOK_SECRET_PREVIOUS: previous } = settings
    const problems = [
      ...secretProblems('LERNITO_WEBHOOK_SECRET', secret),
      ...(previous === undefined ? [] : secretProblems('LERNITO_WEBHOOK_SECRET_PREVIOUS', previous)),
      ...(previous === undefined ? [] : [problem('secret.previous', {})]),
    ]
    return problems.length > 0 ? failed(problems) : passed('one secret, of sufficient length')
  },
})

const DATABASE = check({
  id: 'database',
  about: 'whether the service can reach and use the database',
  needs: ['settings'],
  examine: async ({ settings }, { inspect }) => {
    const { name, ...inspected } = await inspect(settings)
    if (inspected.ok) {
      const problems = serverProblems(name, inspected.found)
      const gives = { database: inspected.found }
      return problems.length > 0 ? failed(problems, gives) : passed(name, gives)
    }
    const { obstacle, reason } = inspected
    return failed([problem(`database.${obstacle}`, { name, reason })])
  },
})

function serverProblems(name: string, { server }: Inspection): Problem[] {
  const variables = server?.readOnly ?? null
  return [
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
export function clockProblems(whose: string, clock: { readonly theirs: number; readonly ours: number }): Problem[] {
  const ahead = clock.theirs - clock.ours
  const off = Math.abs(ahead)
  if (off <= OFF_MS) return []
  const difference = `${Math.round(off / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'}`
  return [problem(off > WRONG_MS ? 'clock.wrong' : 'clock.off', { whose, difference })]
}

const DATABASE_CLOCK = check({
  id: 'database.clock',
  about: "the database's clock, compared with this machine's",
  needs: ['database'],
  examine: ({ database: { clock } }) => {
    if (clock === null) return skipped('SQLite uses the clock of this machine')
    const problems = clockProblems('the database', clock)
    return problems.length > 0 ? failed(problems) : passed('within 5 seconds')
  },
})

export const OUR_CHECKS = [SETTINGS, SECRET, DATABASE, LEVEL, SERVICES, DATABASE_CLOCK]
