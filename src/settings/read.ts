import { readFileSync } from 'node:fs'
import { AppError } from '../errors.ts'
import { SETTINGS, SETTINGS_SCHEMA, type Settings } from './settings.ts'

const GOOD_SECRET_LENGTH = 16

type Env = Readonly<Record<string, string | undefined>>

/**
 * Reads the settings from environment variables; an empty one counts as not set. Gives the settings and what an
 * operator should know about them. Throws AppError settings.invalid with a line for each setting that is wrong.
 */
export function readSettings({ env }: { env: Env }): { settings: Settings; warnings: string[] } {
  const wrong: string[] = []
  const given: Record<string, string> = {}
  for (const { name, secret, fallback } of SETTINGS) {
    try {
      const value = (secret ? readSecret({ env, name }) : env[name]) || fallback
      if (value !== undefined) given[name] = value
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      wrong.push(error.message)
    }
  }
  const result = SETTINGS_SCHEMA.safeParse(given)
  const told = new Set(wrong.map((line) => line.split(' ')[0]))
  for (const { path, message } of result.error?.issues ?? []) {
    const name = String(path[0])
    if (!told.has(name)) wrong.push(`${name} ${message}.`)
    told.add(name)
  }
  if (!result.success || wrong.length > 0) throw new AppError('settings.invalid', wrong.join('\n'))
  return { settings: result.data, warnings: warningsFor({ env, settings: result.data }) }
}

/** A secret, or what the file of NAME_FILE holds. Throws AppError settings.invalid if both are set, or no file is there. */
export function readSecret({ env, name }: { env: Env; name: string }): string | undefined {
  const file = env[`${name}_FILE`]
  if (!file) return env[name]
  if (env[name]) {
    throw new AppError('settings.invalid', `${name} and ${name}_FILE are both set. Keep one of them.`)
  }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new AppError(
      'settings.invalid',
      `${name} can't be read from ${file}. Check ${name}_FILE and its permissions.`,
      {
        cause,
      },
    )
  }
}

function warningsFor({ env, settings }: { env: Env; settings: Settings }): string[] {
  const secrets = {
    LERNITO_WEBHOOK_SECRET: settings.LERNITO_WEBHOOK_SECRET,
    LERNITO_WEBHOOK_SECRET_PREVIOUS: settings.LERNITO_WEBHOOK_SECRET_PREVIOUS,
  }
  const known = new Set(SETTINGS.flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name])))
  return [
    ...Object.entries(secrets).flatMap(([name, secret]) => [
      ...(secret !== undefined && secret.length < GOOD_SECRET_LENGTH
        ? [
            `${name} is shorter than ${GOOD_SECRET_LENGTH} characters and could be guessed. Agree on a longer one with the shop.`,
          ]
        : []),
      ...(secret !== undefined && secret.trim() !== secret
        ? [`${name} begins or ends with white space. If the shop's does not, every signature will be refused.`]
        : []),
    ]),
    ...Object.keys(env)
      .filter((name) => name.startsWith('LERNITO_') && !known.has(name))
      .map((name) => `${name} is not a setting of this version. Check its spelling.`),
  ]
}
