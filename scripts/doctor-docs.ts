import { readFileSync, writeFileSync } from 'node:fs'
import { CHECKS } from '../src/doctor/examine.ts'

const GUIDE = new URL('../docs/reference/doctor.md', import.meta.url)
const BEGIN = '<!-- checks: made by npm run docs -->\n'
const END = '<!-- end of checks -->'

/** Returns docs/reference/doctor.md with the table of the checks in the code. Throws if the page lacks its marker. */
export function withDoctorTable(guide: string): string {
  const rows = CHECKS.map(({ id, about }) => `| \`${id}\` | ${about} |\n`)
  const table = `| check | what it finds out |\n| --- | --- |\n${rows.join('')}`
  const [before, rest = '', ...more] = guide.split(BEGIN)
  const [, after] = rest.split(END)
  if (after === undefined || more.length > 0) throw new Error(`docs/reference/doctor.md needs one "${BEGIN.trim()}"`)
  return `${before}${BEGIN}${table}${END}${after}`
}

if (import.meta.main) writeFileSync(GUIDE, withDoctorTable(readFileSync(GUIDE, 'utf8')))
