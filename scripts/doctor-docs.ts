import { readFileSync, writeFileSync } from 'node:fs'
import { CAUSE_GROUPS } from '../src/doctor/check.ts'
import { CHECKS } from '../src/doctor/examine.ts'

const GUIDE = new URL('../docs/reference/doctor.md', import.meta.url)

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')

const checks = (): string =>
  table(
    ['check', 'subject', 'needs'],
    CHECKS.map(({ id, about, needs }) => [`\`${id}\``, about, needs.map((need) => `\`${need}\``).join(', ')]),
  )

const causes = (group: keyof typeof CAUSE_GROUPS): string =>
  table(
    ['cause', 'level', 'message', 'what to do', 'with Tutor'],
    Object.entries(CAUSE_GROUPS[group]).map(([id, { severity, message, plain, tutor }]) => [
      `\`${id}\``,
      severity,
      ...[message, plain, tutor ?? 'the same'].map((text) => text.replaceAll('|', '\\|')),
    ]),
  )

/** The tables of the page, by the name of their marker. */
const TABLES: Readonly<Record<string, () => string>> = {
  checks,
  'causes of ours': () => causes('ours'),
  'causes in the LMS': () => causes('lms'),
  'causes in enrolling': () => causes('enrolling'),
  'causes outside': () => causes('outside'),
  'causes of events': () => causes('events'),
}

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
