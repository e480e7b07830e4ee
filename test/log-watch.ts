import assert from 'node:assert/strict'
import { after } from 'node:test'
import { SETTINGS } from '../src/service/settings/settings.ts'
import { createLog, type Log } from '../src/service/telemetry/log.ts'

type Env = Readonly<Record<string, string | undefined>>

/** What no log line may hold or be, by its form; an address is whole if the letters before its @ aren't masked. */
const FORBIDDEN = {
  'a signature or digest': /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/i,
  'a token': /eyJ[\w-]{8,}/,
  'a whole e-mail address': /[^\s*"'<>(]@[\w-]+(\.[\w-]+)*\.[a-z]{2,}/i,
  'an encoded e-mail address': /[^\s*"'<>(]%40[\w-]+(\.[\w-]+)*\.[a-z]{2,}/i,
  'a character that does something to a terminal': /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u,
  'more than fits a line': /^.{10000}/u,
}
/** So that a password of one letter is not found in every word. */
const SHORTEST = 8

/** The secrets among a service's settings; those of an address are in its password. */
export function secretsIn(env: Env): string[] {
  const values = SETTINGS.flatMap(({ name, secret }) => (secret ? [env[name] ?? ''] : []))
  const passwords = values.filter((value) => URL.canParse(value)).map((value) => new URL(value).password)
  const whole = values.filter((value) => !/^(sqlite|mysql):/.test(value))
  return [...whole, ...passwords, ...passwords.map((text) => decodeURIComponent(text))].filter(
    (text) => text.length >= SHORTEST,
  )
}

/** What is wrong with a line of a log, as it is written: a sentence for each find. */
export function leaksIn({ line, secrets }: { line: string; secrets: readonly string[] }): string[] {
  const shaped = Object.entries(FORBIDDEN).flatMap(([what, form]) => (form.test(line) ? [what] : []))
  const known = secrets.some((secret) => line.includes(secret)) ? ['a secret of the settings'] : []
  return [...shaped, ...known].map((what) => `the log shows ${what}: ${line}`)
}

const watched: (() => string[])[] = []

/** At the end of this file's tests, `lines` gives what was logged, and all of it is searched. */
export function watchLog({ lines, env }: { lines: () => readonly string[]; env: Env }): void {
  const secrets = secretsIn(env)
  watched.push(() => lines().flatMap((line) => leaksIn({ line, secrets })))
}

/**
 * The log of a service in this process, watched; `lines` are those that were written, read. Each is searched when it
 * is written, and not kept for that: a test may make very many and cut `lines`.
 */
export function watchedLog({ level, env }: { level: string; env: Env }): {
  log: Log
  lines: Record<string, unknown>[]
} {
  const secrets = secretsIn(env)
  const leaks: string[] = []
  const lines: Record<string, unknown>[] = []
  const write = (text: string): void => {
    const line = text.replace(/\n$/, '')
    leaks.push(...leaksIn({ line, secrets }))
    lines.push(JSON.parse(line))
  }
  watched.push(() => leaks)
  return { log: createLog({ level, destination: { write } }), lines }
}

after(() => {
  const leaks = watched.flatMap((search) => search())
  assert.deepEqual(leaks.slice(0, 5), [], `${leaks.length} times the log of ${process.argv[1]} shows what no log may`)
})
