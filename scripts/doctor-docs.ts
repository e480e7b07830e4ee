import { readFileSync, writeFileSync } from 'node:fs'
import { CHECKS } from '../src/doctor/examine.ts'
import { table, withPart } from './generated-parts.ts'

const GUIDE = new URL('../docs/reference/doctor.md', import.meta.url)

/** Returns docs/reference/doctor.md with the table of the checks in the code. Throws if the page lacks its marker. */
export function withDoctorTable(guide: string): string {
  const rows = CHECKS.map(({ id, about }) => [`\`${id}\``, about])
  return withPart(guide, { name: 'checks', part: table(['check', 'what it finds out'], rows) })
}

if (import.meta.main) writeFileSync(GUIDE, withDoctorTable(readFileSync(GUIDE, 'utf8')))
