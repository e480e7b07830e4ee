import { type Result, type Row, round } from './row.ts'

/** Returns the parts and the notes of a result, one a line. */
export function resultLines(result: Result): string {
  const parts = Object.entries(result.parts).map(([name, value]) => `      ${name}: ${value}`)
  const notes = (result.notes ?? []).map((note) => `      (${note})`)
  return [...parts, ...notes].join('\n')
}

export function table(results: readonly Result[]): string {
  const rows = results.map((one) => [one.title, measured(one), goalText(one.goal), verdict(one)])
  const all = [['figure', 'measured', 'goal', ''], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  const [head = [], ...body] = all
  return [line(head), rule, ...body.map(line)].join('\n')
}

export function factLines(facts: Readonly<Record<string, number | string>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `  ${name}: ${value}`)
    .join('\n')
}

const measured = ({ value, goal }: Result): string => `${round(value)} ${goal.unit}`

const goalText = ({ at, value, unit }: Row['goal']): string => `${at === 'least' ? '>=' : '<='} ${value} ${unit}`

function verdict({ value, goal, met }: Result): string {
  if (met) return 'met'
  return `MISSED by ${round(Math.abs(value - goal.value))} ${goal.unit} (${round((Math.abs(value - goal.value) / goal.value) * 100)} %)`
}
