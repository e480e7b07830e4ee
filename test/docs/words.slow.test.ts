import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { test } from 'node:test'
import { DOCUMENTS, ROOT, readDocument } from './documents.ts'

/** Words that a reader trips over, and what to write instead. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bmend(s|ed|ing)?\b/i, 'fix, correct, or say what to do'],
  [/\bset-up\b/i, 'installation'],
  [/\b(somebody|someone)\b/i, 'an operator, a person, a buyer'],
  [/\b(whoever|whomever)\b/i, 'anyone who'],
  [/\b(goes|going|go|went) on\b/i, 'continues'],
  [/\b(is|are) due\b/i, 'a due delivery; the next attempt is at'],
  [/\bstands in\b/i, 'is in'],
  [/\bin hand\b/i, 'in flight'],
  [/\bbecame of\b/i, 'the result of'],
  [/\blooks? whether\b/i, 'checks'],
  [/\b(is|are|be|was) well\b/i, 'available, healthy'],
  [/\balso (when|where|if)\b/i, 'even if, including'],
  [/\bof which\b/i, 'a sentence of its own'],
  [/\bso many\b/i, 'the number'],
  [/\bin vain\b/i, 'failed'],
  [/\b(at|for) the moment\b/i, 'now'],
  [/\bin words\b/i, 'as a text'],
  [/\b(please|simply|easy|easily)\b/i, 'nothing'],
]

const PROSE: readonly string[] = [...DOCUMENTS, 'deploy/tutor/README.md']

/** A document without what the code says: blocks, quotes of messages, and tables that are generated. */
const prose = (text: string): string =>
  text
    .replaceAll(/^```.*?^```$/gms, '')
    .replaceAll(/<!-- [^\n]*made by npm run docs -->.*?<!-- end of [^\n]* -->/gs, '')
    .replaceAll(/`[^`]*`/g, '')

test('no document has a word of the list', () => {
  assert.ok(PROSE.length > 30)
  const found = PROSE.flatMap((path) =>
    prose(readDocument(path))
      .split(/\n(?=\n|[-|#])/)
      .flatMap((part) => {
        const line = part.replaceAll(/\s+/g, ' ')
        return WORDS.filter(([word]) => word.test(line)).map(
          ([word, instead]) => `${path}: "${word.exec(line)?.[0]}" (write: ${instead}) in: ${line.trim().slice(0, 80)}`,
        )
      }),
  )
  assert.deepEqual(found, [])
})

/** In code, "due" and "someone" have their place, and an error may say "please" of another program. */
const NOT_IN_CODE = ['mend', 'set-up', 'somebody', 'whoever', 'goes on', 'stands in', 'in hand', 'what became of']
  .concat(['look whether', 'in vain', 'at the moment', 'so many', 'of which', 'also when', 'given up for dead'])
  .map((words) => new RegExp(`\\b${words}\\b`, 'i'))

/** The words of the list in these texts, each a path and its text. */
const wordsIn = (texts: readonly (readonly [path: string, text: string])[]): string[] =>
  texts.flatMap(([path, text]) => NOT_IN_CODE.flatMap((word) => (word.test(text) ? [`${path}: ${word.source}`] : [])))

test('no comment, message or text of the source, the bench or the scripts has a word of the list', () => {
  const files = globSync(['src/**/*.{ts,json,css,js}', 'sandbox/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'], {
    cwd: ROOT,
  })
  assert.ok(files.length > 240)
  const texts = files.map((path) => [path, readDocument(path).replaceAll(/\s*\n\s*(?:\*|\/\/)?\s*/g, ' ')] as const)
  assert.deepEqual(wordsIn(texts), [])
})

test('no test name has a word of the list', () => {
  const names = globSync('test/**/*.test.ts', { cwd: ROOT }).flatMap((path) =>
    [...readDocument(path).matchAll(/\b(?:test|describe)\(\s*(['"`])(.+?)\1,/g)].map(
      ([, , name = '']) => [`${path}, ${name}`, name] as const,
    ),
  )
  assert.ok(names.length > 1000, `${names.length}`)
  assert.deepEqual(wordsIn(names), [])
})
