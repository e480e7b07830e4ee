import { readFileSync, writeFileSync } from 'node:fs'
import { EVENTS } from '../src/sale/types.ts'
import { table, withPart } from './generated-parts.ts'
import { logCalls } from './log-calls.ts'
import { MEANINGS, QUIET, UNWRITTEN } from './log-meanings.ts'

const PAGE = new URL('../docs/reference/log-messages.md', import.meta.url)

const code = (text: string): string => `\`${text}\``

/** Returns the logged messages without a meaning, and the meanings of messages that are not logged. */
export function differences(): { without: string[]; unused: string[] } {
  const calls = logCalls()
  const texts = calls.flatMap(
    ({ file, text }) => text ?? (file in UNWRITTEN ? [] : [`a message that is not a literal, in ${file}`]),
  )
  const known = [...Object.values(MEANINGS).flatMap((topic) => Object.keys(topic)), ...QUIET]
  return {
    without: texts.filter((text) => !known.includes(text)),
    unused: known.filter((text) => !texts.includes(text)),
  }
}

/** Returns the tables of all messages to act on. Throws if one has no meaning. */
function messages(): string {
  const { without } = differences()
  if (without.length > 0) throw new Error(`scripts/log-meanings.ts lacks:\n  ${without.join('\n  ')}`)
  const texts = new Set(logCalls().map(({ text }) => text))
  const topics = Object.entries(MEANINGS).map(([topic, meanings]) => {
    const rows = Object.entries(meanings)
      .filter(([text]) => texts.has(text))
      .map(([text, meaning]) => [code(text), meaning])
    return `### ${topic}\n\n${table(['`msg`', 'what happened, and what to do'], rows)}`
  })
  return `\n${topics.join('\n')}\n`
}

function events(): string {
  const rows = Object.entries(EVENTS).flatMap(([kind, { meaning }]) =>
    meaning === undefined ? [] : [[code(kind), meaning]],
  )
  return `\n${table(['`event`', 'meaning'], rows)}\n`
}

/** Returns the page with the tables generated from the source. Throws if a marker or a meaning is missing. */
export const withLogTables = (page: string): string =>
  withPart(withPart(page, { name: 'messages', part: messages() }), { name: 'events', part: events() })

if (import.meta.main) {
  writeFileSync(PAGE, withLogTables(readFileSync(PAGE, 'utf8')))
  const { unused } = differences()
  if (unused.length > 0)
    process.stderr.write(`scripts/log-meanings.ts has messages that are not logged:\n  ${unused.join('\n  ')}\n`)
}
