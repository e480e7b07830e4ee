import { readFileSync } from 'node:fs'
import { AppError } from '../errors.ts'
import { SETTINGS, SETTINGS_SCHEMA, type Settings } from './settings.ts'
import { warningsFor } from './warnings.ts'

/** Not a setting of ours, but Node.js would obey it in every connection that doesn't say otherwise. */
const NO_CHECK =
  'NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates: anybody in between could take the token. Remove it. For a certificate authority of your own, set NODE_EXTRA_CA_CERTS to the file of its certificate.'

type Env = Readonly<Record<string, string | undefined>>

/**
 * Reads the settings from environment variables; an empty one counts as not set. Gives the settings and what an
 * operator should know about them. Throws AppError settings.invalid with a line for each setting that is wrong.
 */
export function readSettings({ env }: { env: Env }): { settings: Settings; warnings: string[] } {
  const { given, unreadable } = readGiven(env)
  const result = SETTINGS_SCHEMA.safeParse(given)
  const wrong = new Map(unreadable)
  for (const { path, message } of result.error?.issues ?? []) {
    const name = String(path[0])
    if (!wrong.has(name)) wrong.set(name, `${name} ${message}.`) // one complaint about each is enough to begin with
  }
  const lines = [...(env.NODE_TLS_REJECT_UNAUTHORIZED === '0' ? [NO_CHECK] : []), ...wrong.values()]
  if (!result.success || lines.length > 0) throw new AppError('settings.invalid', lines.join('\n'))
  return { settings: result.data, warnings: warningsFor({ env, settings: result.data }) }
}

/** The text of each setting that has one. `unreadable`: by their names, why a secret could not be read. */
function readGiven(env: Env): { given: Record<string, string>; unreadable: Map<string, string> } {
  const given: Record<string, string> = {}
  const unreadable = new Map<string, string>()
  for (const { name, secret, fallback } of SETTINGS) {
    try {
      const value = (secret ? readSecret({ env, name }) : env[name]) || fallback
      if (value !== undefined) given[name] = value
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      unreadable.set(name, error.message)
    }
  }
  return { given, unreadable }
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
