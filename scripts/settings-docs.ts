import { readFileSync, writeFileSync } from 'node:fs'
import { SETTINGS, SETTINGS_SCHEMA } from '../src/service/settings/settings.ts'
import { table, withPart } from './generated-parts.ts'

const PAGE = new URL('../docs/reference/settings.md', import.meta.url)
const ENV_EXAMPLE = new URL('../.env.example', import.meta.url)

/** Returns the content of .env.example, in which optional settings are commented out. */
export function envExample(): string {
  const entries = SETTINGS.map(({ name, meaning, fallback, example, required }) => {
    const assignment = `${name}=${fallback ?? ''}`
    const hint = example === undefined ? '' : `# For example ${example}\n`
    return `# ${meaning}\n${hint}${required ? assignment : `# ${assignment}`}\n`
  })
  return `# Copy this file to .env and fill it in. Every secret can also come from a file: NAME_FILE=/path.\n\n${entries.join('\n')}`
}

const NUMBER = /^must be a whole number (from \d+ to \d+)$/

/** The numbers that a setting may have, as its own check says them; '' for a setting that is no number. */
function range(name: string): string {
  const [, check] = Object.entries(SETTINGS_SCHEMA.shape).find(([one]) => one === name) ?? []
  const [, numbers] = NUMBER.exec(check?.safeParse('none').error?.issues[0]?.message ?? '') ?? []
  return numbers === undefined ? '' : ` A number ${numbers.replaceAll(/\B(?=(?:\d{3})+\b)/g, ',')}.`
}

/** Returns the page with the table of declared settings. Throws if the page has no marker for it. */
export function withSettingsTable(page: string): string {
  const rows = SETTINGS.map(({ name, meaning, fallback, required, secret }) => {
    const value = required ? '**required**' : fallback === undefined ? 'not set' : `\`${fallback}\``
    return [`\`${name}\``, value, `${meaning}${range(name)}${secret ? ` Or \`${name}_FILE\`.` : ''}`]
  })
  return withPart(page, { name: 'settings', part: table(['setting', 'default', 'meaning'], rows) })
}

if (import.meta.main) {
  writeFileSync(ENV_EXAMPLE, envExample())
  writeFileSync(PAGE, withSettingsTable(readFileSync(PAGE, 'utf8')))
}
