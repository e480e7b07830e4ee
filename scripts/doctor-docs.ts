import { readFileSync, writeFileSync } from 'node:fs'
import { CAUSES } from '../src/doctor/causes.ts'
import { CHECKS } from '../src/doctor/examine.ts'

const GUIDE = new URL('../docs/reference/doctor.md', import.meta.url)

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')

const list = (ids: readonly string[]): string => ids.map((id) => `\`${id}\``).join(', ')

const checks = (): string =>
  table(
    ['check', 'what it finds out'],
    CHECKS.map(({ id, about }) => [`\`${id}\``, about]),
  )

/** A row for the causes of a kind: what stands before the dot of their ids. */
function causes(): string {
  const kinds = Map.groupBy(Object.entries(CAUSES), ([id]) => id.slice(0, id.indexOf('.')))
  const ofSeverity = (all: readonly (readonly [string, { severity: string }])[], severity: string): string =>
    list(all.filter(([, cause]) => cause.severity === severity).map(([id]) => id)) || 'none'
  return table(
    ['about', 'failures', 'warnings'],
    [...kinds].map(([kind, all]) => [kind, ofSeverity(all, 'failure'), ofSeverity(all, 'warning')]),
  )
}

/** The tables of the page, by the name of their marker. */
const TABLES: Readonly<Record<string, () => string>> = { checks, causes }

/** Returns docs/reference/doctor.md with the tables generated from the code. Throws if a marker is missing. */
export function withDoctorTables(guide: string): string {
  return Object.entries(TABLES).reduce((text, [name, make]) => {
    const begin = `<!-- ${name}: made by npm run docs -->\n`
    const end = `<!-- end of ${name} -->`
    const [before, rest, ...more] = text.split(begin)
    const [, after, ...others] = rest?.split(end) ?? []
    if (after === undefined || more.length + others.length > 0)
      throw new Error(`docs/reference/doctor.md needs one "${begin}"`)
    return `${before}${begin}${make()}${end}${after}`
  }, guide)
}

if (import.meta.main) writeFileSync(GUIDE, withDoctorTables(readFileSync(GUIDE, 'utf8')))
