import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { canonicalJson } from '../../../src/sale/json/canonical.ts'
import { JsonSyntaxError, readJson } from '../../../src/sale/json/json.ts'
import { readUtf8 } from '../../../src/sale/json/utf8.ts'

/** The order in which python.py writes the forms. */
const STYLES = [
  { ascii: true, spaces: false },
  { ascii: true, spaces: true },
  { ascii: false, spaces: false },
  { ascii: false, spaces: true },
] as const

const FormsDigest = z.tuple([z.string(), z.string()])
const Forms = z.tuple([z.string(), z.string(), z.string(), z.string(), z.string()])
const Damaged = z.tuple([z.string(), z.string().nullable()])
const Version = z.tuple([z.number(), z.number()])

const rows = <T>(schema: z.ZodType<T>, lines: string[]): T[] => lines.map((line) => schema.parse(JSON.parse(line)))
const kept = (name: string): string[] =>
  gunzipSync(readFileSync(join(import.meta.dirname, 'vectors', name)))
    .toString()
    .trimEnd()
    .split('\n')

const formsOf = (text: string): string[] => {
  const tree = readJson(text)
  return STYLES.map((style) => canonicalJson(tree, style))
}

const digest = (forms: string[]): string =>
  createHash('sha256')
    .update(Buffer.from(forms.join('\n'), 'utf16le'))
    .digest('hex')
    .slice(0, 12)

const errorOf = (text: string): string | null => complaintOf(() => readJson(text))
const utf8ErrorOf = (hex: string): string | null => complaintOf(() => readUtf8(Buffer.from(hex, 'hex')))

function complaintOf(read: () => unknown): string | null {
  try {
    read()
    return null
  } catch (error) {
    assert.ok(error instanceof JsonSyntaxError)
    return error.message
  }
}

/** What the Python of this machine says, and its version; null where there is none. */
function python(command: string, seed: number, count: number): { version: string; lines: string[] } | null {
  const script = join(import.meta.dirname, 'python.py')
  const { error, status, stdout } = spawnSync('python3', [script, command, String(seed), String(count)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return null
  assert.equal(status, 0)
  const [first = '', ...lines] = stdout.trimEnd().split('\n')
  return { version: Version.parse(JSON.parse(first)).join('.'), lines }
}

test('20,000 stored texts get the same four forms as in Python', () => {
  const vectors = rows(FormsDigest, kept('canonical.jsonl.gz'))
  assert.equal(vectors.length, 20_000)
  for (const [text, expected] of vectors) assert.equal(digest(formsOf(text)), expected, text)
})

test('5,000 stored damaged texts are refused with Python’s message and position', () => {
  const vectors = rows(Damaged, kept('damaged.jsonl.gz'))
  assert.equal(vectors.length, 5_000)
  for (const [text, expected] of vectors) assert.equal(errorOf(text), expected, text)
})

test('3,000 stored byte strings that are not UTF-8 are refused with Python’s message', () => {
  const vectors = rows(Damaged, kept('utf8.jsonl.gz'))
  assert.equal(vectors.length, 3_000)
  for (const [hex, expected] of vectors) assert.equal(utf8ErrorOf(hex), expected, hex)
})

// The kept vectors above say the same where there is no Python: nothing is skipped.
test('20,000 new texts get the same four forms as in the installed Python', (t) => {
  const seed = randomInt(2 ** 31)
  const answer = python('canonical', seed, 20_000)
  t.diagnostic(answer === null ? 'no python3 here: kept vectors only' : `Python ${answer.version}, seed ${seed}`)
  if (answer === null) return
  const vectors = rows(Forms, answer.lines)
  assert.equal(vectors.length, 20_000)
  for (const [text, ...expected] of vectors) assert.deepEqual(formsOf(text), expected, `seed ${seed}: ${text}`)
})

// Python 3.13 changed the words for a trailing comma. Open edX runs 3.11 and 3.12.
test('5,000 new damaged texts are refused with the message of an installed Python 3.11 or 3.12', (t) => {
  const seed = randomInt(2 ** 31)
  const answer = python('damaged', seed, 5_000)
  const speaks = answer !== null && ['3.11', '3.12'].includes(answer.version)
  t.diagnostic(
    speaks ? `Python ${answer.version}, seed ${seed}` : 'no python3 with these words here: kept vectors only',
  )
  if (!speaks) return
  const vectors = rows(Damaged, answer.lines)
  assert.equal(vectors.length, 5_000)
  for (const [text, expected] of vectors) assert.equal(errorOf(text), expected, `seed ${seed}: ${text}`)
})

test('3,000 new byte strings are refused with the message of the installed Python', (t) => {
  const seed = randomInt(2 ** 31)
  const answer = python('utf8', seed, 3_000)
  t.diagnostic(answer === null ? 'no python3 here: kept vectors only' : `Python ${answer.version}, seed ${seed}`)
  if (answer === null) return
  const vectors = rows(Damaged, answer.lines)
  assert.equal(vectors.length, 3_000)
  for (const [hex, expected] of vectors) assert.equal(utf8ErrorOf(hex), expected, `seed ${seed}: ${hex}`)
})
