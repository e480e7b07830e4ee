import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

/** The documents that are written for people, by their path in the repository. */
export const DOCUMENTS: readonly string[] = globSync(['*.md', 'docs/**/*.md'], {
  cwd: ROOT,
  exclude: ['docs/site/**'],
}).sort()

export const readDocument = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** What stands under a heading, up to the next one of its level or above. Throws if there is no such heading. */
export function section(text: string, heading: string): string {
  const start = text.indexOf(`\n${heading}\n`)
  if (start === -1) throw new Error(`there is no heading "${heading}"`)
  const rest = text.slice(start + heading.length + 2)
  const level = heading.indexOf(' ')
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'))
  return end === -1 ? rest : rest.slice(0, end)
}

/** The contents of the code blocks of a language, without their last line break. */
export const codeBlocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)\\n\`\`\`$`, 'gms'))].map(([, code = '']) => code)

/** The tables in a text: for each, its rows without the heading, each with its cells as they are written. */
export function tables(text: string): string[][][] {
  const blocks = text.match(/(?:^\|.*\|\n)+/gm) ?? []
  return blocks.map((block) => block.trimEnd().split('\n').slice(2).map(cells))
}

const cells = (line: string): string[] =>
  line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))

/** The texts in backquotes. */
export const codes = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)

/** What the first column of a text's tables has in backquotes, each once, in its order. */
export const firstCodes = (text: string): string[] => [
  ...new Set(
    tables(text)
      .flat()
      .flatMap(([first = '']) => codes(first)),
  ),
]

/** The parts of quoted messages that no file of the source has; … in a quote stands for what differs. */
export function quotesMissingInSource(quotes: readonly string[]): string[] {
  const source = globSync(['src/**/*.ts', 'sandbox/**/*.ts', 'bin/*.js'], { cwd: ROOT })
    .map((file) => readDocument(file))
    .join('\n')
  const parts = quotes.flatMap((quote) => quote.split('…')).filter((part) => part.trim().length > 3)
  return parts.filter((part) => !source.includes(part))
}
