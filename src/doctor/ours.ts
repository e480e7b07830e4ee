import { KNOWN_LEVEL } from '../database/migrations.ts'
import { AppError } from '../errors.ts'
import { readSettings } from '../settings/read.ts'
import type { Settings } from '../settings/settings.ts'
import { GOOD_SECRET_LENGTH, isOpenToAll, unknownSettings } from '../settings/warnings.ts'
import { type Problem, problem } from './causes.ts'
import { type Check, check, ill, skipped, type Tools, well } from './check.ts'

const SETTINGS: Check = check({
  id: 'settings',
  about: 'whether all settings are there and well formed',
  needs: [],
  look: (_facts, { env }) => {
    const settings = settingsOrLines(env)
    if (Array.isArray(settings)) return ill(settings.map((line) => problem('settings.invalid', { line })))
    const open = (['LERNITO_LMS_URL', 'LERNITO_NOTIFY_URL'] as const).filter((name) => {
      const url = settings[name]
      return url !== undefined && isOpenToAll(url)
    })
    const problems = [
      ...unknownSettings(env).map((name) => problem('settings.unknown', { name })),
      ...open.map((name) => problem('settings.plain_http', { name })),
    ]
    return problems.length > 0 ? ill(problems, { settings }) : well('all are well formed', { settings })
  },
})

/** The settings, or a line for each that is wrong. */
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

const SECRET: Check = check({
  id: 'webhook.secret',
  about: 'the webhook secret: its length, slips in it, and whether an older one still counts',
  needs: ['settings'],
  look: ({ settings }) => {
    const { LERNITO_WEBHOOK_SECRET: secret, LERNITO_WEBHOOK_SECRET_PREVIOUS: previous } = settings
    const problems = [
      ...secretProblems('LERNITO_WEBHOOK_SECRET', secret),
      ...(previous === undefined ? [] : secretProblems('LERNITO_WEBHOOK_SECRET_PREVIOUS', previous)),
      ...(previous === undefined ? [] : [problem('secret.previous', {})]),
    ]
    return problems.length > 0 ? ill(problems) : well('one secret, long enough')
  },
})

const DATABASE: Check = check({
  id: 'database',
  about: 'whether the database can be reached and used',
  needs: ['settings'],
  look: async ({ settings }, { inspect }) => {
    const { name, ...inspected } = await inspect(settings)
    if (inspected.ok) return well(name, { database: inspected.found })
    const { obstacle, reason } = inspected
    return ill([problem(`database.${obstacle}`, { name, reason })])
  },
})

const LEVEL: Check = check({
  id: 'database.level',
  about: 'whether its tables fit this version',
  needs: ['database'],
  look: ({ database: { level, oldestCode } }) => {
    const known = String(KNOWN_LEVEL)
    if (oldestCode > KNOWN_LEVEL) return ill([problem('database.too_new', { needed: String(oldestCode), known })])
    if (level === 0) return well('not migrated yet; the service does it at its start')
    if (level < KNOWN_LEVEL) return well(`level ${level} of ${known}; the service migrates it at its next start`)
    return well(
      level > KNOWN_LEVEL ? `level ${level}, of a newer version that this one can work with` : `level ${level}`,
    )
  },
})

/** Services come and go: whether one runs is told, and nothing is held against it. */
const SERVICES: Check = check({
  id: 'database.services',
  about: 'which services work on it now; for information only',
  needs: ['settings', 'database'],
  look: ({ settings, database: { services } }) => {
    const { alive, silent } = services
    if (!settings.LERNITO_DATABASE_URL.startsWith('mysql:')) {
      return well(alive > 0 ? 'a service is running on this file' : 'no service is running on this file now')
    }
    const dead = silent > 0 ? `; ${silent} ended without a word and ${silent === 1 ? 'is' : 'are'} taken for dead` : ''
    return well(`${alive} ${alive === 1 ? 'service is' : 'services are'} alive${dead}`)
  },
})

const OFF_MS = 5_000
const WRONG_MS = 60_000

/** A clock that is seconds off only confuses; waiting times and tokens are counted in minutes. */
export function clockProblems(whose: string, clock: { readonly theirs: number; readonly ours: number }): Problem[] {
  const ahead = clock.theirs - clock.ours
  const off = Math.abs(ahead)
  if (off <= OFF_MS) return []
  const difference = `${Math.round(off / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'}`
  return [problem(off > WRONG_MS ? 'clock.wrong' : 'clock.off', { whose, difference })]
}

const DATABASE_CLOCK: Check = check({
  id: 'database.clock',
  about: 'its clock, compared with that of this machine',
  needs: ['database'],
  look: ({ database: { clock } }) => {
    if (clock === null) return skipped('SQLite goes by the clock of this machine')
    const problems = clockProblems('the database', clock)
    return problems.length > 0 ? ill(problems) : well('within 5 seconds')
  },
})

export const OUR_CHECKS: readonly Check[] = [SETTINGS, SECRET, DATABASE, LEVEL, SERVICES, DATABASE_CLOCK]
