import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A recording as this repository stores it: one exchange a line, without white space between its parts. Only white
 * space between parts changes, so that numbers, escapes, names that occur twice and their order stay as recorded.
 */
export function compactRecording(text: string): string {
  const parts = text.match(/"(?:[^"\\]|\\.)*"|[^\s"]/g) ?? []
  const open: string[] = []
  // A list of exchanges is the whole recording, or a member of it.
  const isBroken = () => open.length === 1 || (open.length === 2 && open[0] === '{' && open[1] === '[')
  let compact = ''
  for (const part of parts) {
    if (part === '}' || part === ']') {
      if (isBroken()) compact += '\n'
      open.pop()
    }
    compact += part
    if (part === '{' || part === '[') open.push(part)
    if (/[[{,]/.test(part[0] ?? '') && isBroken()) compact += '\n'
  }
  return `${compact}\n`
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  for (const name of globSync('test/recordings/**/*.json', { cwd: root })) {
    const file = join(root, name)
    writeFileSync(file, compactRecording(readFileSync(file, 'utf8')))
  }
}
