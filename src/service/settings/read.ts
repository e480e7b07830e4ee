import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { type Env, SETTINGS, SETTINGS_SCHEMA, type Settings } from './settings.ts'
import { warningsFor } from './warnings.ts'

/** Not a setting of this service, but Node.js would apply it to every connection that doesn't override it. */
const NO_CHECK =
  'NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates: an attacker on the network could steal the token. Remove it. For a certificate authority of your own, set NODE_EXTRA_CA_CERTS to the file of its certificate.'

/** Neither works without the other. */
const EVENTS = [
  ['LERNITO_EVENTS_URL', 'LERNITO_EVENTS_SECRET'],
  ['LERNITO_EVENTS_SECRET', 'LERNITO_EVENTS_URL'],
] as const

const OUTCOMES_WITHOUT_EVENTS =
  'LERNITO_OUTCOMES tells the shop by events, so it needs LERNITO_EVENTS_URL and LERNITO_EVENTS_SECRET: set them, or LERNITO_OUTCOMES=off.'

const UNUSED_CA =
  'LERNITO_DATABASE_CA_FILE has no effect without TLS. End LERNITO_DATABASE_URL with ?tls=verify, or remove the file.'

/**
 * Reads the settings from environment variables. Returns the settings, and warnings
 * for the operator. Throws AppError settings.invalid with a line for each wrong setting.
 */
export function readSettings({ env }: { env: Env }): { settings: Settings; warnings: string[] } {
  const settings = readSome({ env, schema: SETTINGS_SCHEMA })
  return { settings, warnings: warningsFor({ env, settings }) }
}

/**
 * Reads the settings of `schema` and no other: a command demands only those that it needs. Throws AppError
 * settings.invalid with a line for each of them that is wrong.
 */
export function readSome<Schema extends z.ZodObject>({ env, schema }: { env: Env; schema: Schema }): z.output<Schema> {
  const { given, unreadable } = readGiven(env, Object.keys(schema.shape))
  const result = schema.safeParse(given)
  const wrong = new Map(unreadable)
  for (const { path, message } of result.error?.issues ?? []) {
    const name = String(path[0])
    if (!wrong.has(name)) wrong.set(name, `${name} ${message}.`) // the first error of each is enough
  }
  for (const [one, other] of EVENTS) {
    if (!(other in schema.shape) || given[one] === undefined || given[other] !== undefined) continue
    if (!wrong.has(other)) wrong.set(other, `${other} is missing. ${one} needs it: set both, or none.`)
  }
  const { LERNITO_OUTCOMES: outcomes = 'off', LERNITO_EVENTS_URL: events } = given
  if (outcomes !== 'off' && events === undefined && !wrong.has('LERNITO_OUTCOMES')) {
    wrong.set('LERNITO_OUTCOMES', OUTCOMES_WITHOUT_EVENTS)
  }
  const { LERNITO_DATABASE_CA_FILE: ca, LERNITO_DATABASE_URL: url = '' } = given
  if (ca !== undefined && !url.endsWith('?tls=verify') && !wrong.has('LERNITO_DATABASE_URL')) {
    wrong.set('LERNITO_DATABASE_CA_FILE', UNUSED_CA)
  }
  const lines = [...(env.NODE_TLS_REJECT_UNAUTHORIZED === '0' ? [NO_CHECK] : []), ...wrong.values()]
  if (!result.success || lines.length > 0) throw new AppError('settings.invalid', lines.join('\n'))
  return result.data
}

/** The text of each setting that is set. `unreadable`: why a secret could not be read, by its name. */
function readGiven(
  env: Env,
  names: readonly string[],
): { given: Record<string, string>; unreadable: Map<string, string> } {
  const given: Record<string, string> = {}
  const unreadable = new Map<string, string>()
  for (const { name, secret, fallback } of SETTINGS) {
    if (!names.includes(name)) continue
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

/**
 * A secret from NAME, or from the file that NAME_FILE names. Throws AppError settings.invalid if both are set, or the
 * file can't be read.
 */
export function readSecret({ env, name }: { env: Env; name: string }): string | undefined {
  const file = env[`${name}_FILE`]
  if (!file) return env[name]
  if (env[name]) {
    throw new AppError(
      'settings.invalid',
      // The image and the systemd unit set LERNITO_DATABASE_URL, and an operator can't remove it there.
      `${name} and ${name}_FILE are both set. Keep one of them, and set the other to nothing if you can't remove it.`,
    )
  }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new AppError(
      'settings.invalid',
      `${name} can't be read from ${file}. Check the path in ${name}_FILE and the permissions of the file.`,
      { cause },
    )
  }
}
