import { readFileSync, writeFileSync } from 'node:fs'
import { ENROLLING_CAUSES } from '../src/doctor/causes/causes-enrolling.ts'
import { EVENTS_CAUSES } from '../src/doctor/causes/causes-events.ts'
import { LMS_CAUSES } from '../src/doctor/causes/causes-lms.ts'
import { type Cause, OUR_CAUSES } from '../src/doctor/causes/causes-ours.ts'
import { OUTSIDE_CAUSES } from '../src/doctor/causes/causes-outside.ts'
import { CHECKS } from '../src/doctor/examine.ts'

const GUIDE = new URL('../docs/reference/doctor.md', import.meta.url)

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')

const checks = (): string =>
  table(
    ['check', 'subject', 'needs'],
    CHECKS.map(({ id, about, needs }) => [`\`${id}\``, about, needs.map((need) => `\`${need}\``).join(', ')]),
  )

const causes = (group: Readonly<Record<string, Cause>>): string =>
  table(
    ['cause', 'level', 'message', 'what to do', 'with Tutor'],
    Object.entries(group).map(([id, { severity, message, plain, tutor }]) => [
      `\`${id}\``,
      severity,
      ...[message, plain, tutor ?? 'the same'].map((text) => text.replaceAll('|', '\\|')),
    ]),
  )

/** The tables of the page, by the name of their marker. */
const TABLES: Readonly<Record<string, () => string>> = {
  checks,
  'causes of ours': () => causes(OUR_CAUSES),
  'causes in the LMS': () => causes(LMS_CAUSES),
  'causes in enrolling': () => causes(ENROLLING_CAUSES),
  'causes outside': () => causes(OUTSIDE_CAUSES),
  'causes of events': () => causes(EVENTS_CAUSES),
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
