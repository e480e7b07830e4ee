import { once } from 'node:events'
import { escaped, escapeInvisible } from '../service/lib/sanitize.ts'

/** Characters that a terminal acts on or hides. Senders choose names and addresses, and the LMS its messages. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** A text from outside for a terminal: one line, and nothing in it moves the cursor. Such characters become `\uXXXX`. */
export const plain = (text: string): string => text.replace(INVISIBLE, escaped)

/** The fields of a result that are times, as ms since 1970. */
const TIME = /^(?:.*At|at|since|from|to)$/

/**
 * A result as JSON, with its times as ISO 8601, on one line; on a terminal, with `indent` spaces. It escapes the same
 * characters.
 */
export function plainJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(
    value,
    (name, one: unknown) => (typeof one === 'number' && TIME.test(name) ? new Date(one).toISOString() : one),
    indent,
  )
  return escapeInvisible(text)
}

/** Prints a result as JSON for a program, or indented for a person at a terminal. */
export function printJson(value: unknown): void {
  process.stdout.write(`${plainJson(value, process.stdout.isTTY ? 2 : undefined)}\n`)
}

/**
 * Prints a part of a long output, and resolves when there is room for more. Otherwise all of it would be in memory until its
 * reader has taken it, and a file of SQLite is read without a turn of the event loop, in which a reader gets something.
 */
export async function printPart(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

/** A time (ms since 1970) in UTC, to the second. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`

/** The columns of the terminal; null if standard output is a file or a pipe. */
export const terminalWidth = (): number | null => (process.stdout.isTTY ? process.stdout.columns || 80 : null)

/** A column keeps at least so many characters, however narrow the terminal is. */
const LEAST = 10

/**
 * Rows as aligned columns. The last column isn't padded. If a line is longer than `width`, the widest cells are cut until
 * it fits.
 * @param fit.whole how many of the first columns are never cut
 */
export function columns(
  rows: readonly (readonly string[])[],
  { width, whole }: { width: number | null; whole: number } = { width: null, whole: 0 },
): string {
  const count = Math.max(0, ...rows.map((row) => row.length))
  const natural = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const first = natural.slice(0, whole)
  const room = (width ?? Number.POSITIVE_INFINITY) - 2 * (count - 1) - first.reduce((sum, one) => sum + one, 0)
  const widths = [...first, ...shrunk(natural.slice(whole), room)]
  const cut = (cell: string, to: number): string => (cell.length <= to ? cell : `${cell.slice(0, to - 1)}…`)
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cut(cell, widths[i] ?? 0).padEnd(i === count - 1 ? 0 : (widths[i] ?? 0))).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}

/** The widths, with the widest ones made equal so that all together are at most `room`. */
function shrunk(widths: readonly number[], room: number): number[] {
  const sum = (most: number): number => widths.reduce((total, width) => total + Math.min(width, most), 0)
  let most = Math.max(...widths)
  while (most > LEAST && sum(most) > room) most--
  return widths.map((width) => Math.min(width, most))
}

/** A text of words in lines of at most `width` columns, each indented by `indent`. A longer word has a line of its own. */
export function wrapped(text: string, indent: string, width = 80): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && `${last} ${word}`.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`${indent}${word}`)
  }
  return lines.join('\n')
}
