import { escaped, escapeInvisible } from '../service/lib/sanitize.ts'

/** Characters that a terminal acts on or hides. Senders choose names and addresses, and the LMS its messages. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** A text from outside for a terminal: one line, and nothing in it moves the cursor. Such characters become `\uXXXX`. */
export const plain = (text: string): string => text.replace(INVISIBLE, escaped)

/** The same for JSON, which escapes those characters. */
export const plainJson = (value: unknown, indent?: number): string =>
  escapeInvisible(JSON.stringify(value, null, indent))

/** A time (ms since 1970) in UTC, to the second. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`

/** Rows as aligned columns. The last column isn't padded. */
export function columns(rows: readonly (readonly string[])[]): string {
  const last = Math.max(0, ...rows.map((row) => row.length)) - 1
  const widths = Array.from({ length: last }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]): string => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}
