import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fill, TEXTS } from '../../src/console/layout/texts.ts'

const FOLDER = join(import.meta.dirname, '../../src')
const SOURCES = globSync('console/**/*.ts', { cwd: FOLDER })
  .filter((file) => !/(layout\/texts|deliveries\/replies)\.ts$/.test(file)) // its texts are in replies.json and reasons.json
  .map((file) => ({ file, text: readFileSync(join(FOLDER, file), 'utf8') }))

const placeholders = (text: string): string[] =>
  [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name))].sort()

const textsIn = (node: unknown): string[] =>
  typeof node === 'string' ? [node] : Object.values(Object(node)).flatMap(textsIn)

/** Returns the text between the bracket at `from` and its closing bracket. */
function inBrackets(text: string, from: number): string {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    if ('([{'.includes(text.charAt(at))) depth++
    if (')]}'.includes(text.charAt(at)) && --depth === 0) return text.slice(from + 1, at)
  }
  throw new Error('a bracket is not closed')
}

/**
 * Returns the texts that an expression such as `words.link[kind]` or `one ? words.a : words.b` can mean.
 * @param read which texts of the node it leads to: all, also if it is a group
 */
function textsOf(expression: string, source: string, read: (node: unknown) => string[] = textsIn): string[] {
  const groups = new Map(
    [...source.matchAll(/const (\w+) = TEXTS\.(\w+)\n/g)].map(([, name = '', group = '']) => [name, group]),
  )
  return [...expression.matchAll(/\b(\w+)((?:\.\w+|\[[^\]]+\])+)/g)].flatMap(([, root = '', steps = '']) => {
    if (root !== 'TEXTS' && !groups.has(root)) return []
    let nodes: unknown[] = [root === 'TEXTS' ? TEXTS : Object(TEXTS)[groups.get(root) ?? '']]
    for (const [step] of steps.matchAll(/\.\w+|\[[^\]]+\]/g)) {
      nodes = nodes.flatMap((node) =>
        step.startsWith('[') ? Object.values(Object(node)) : [Object(node)[step.slice(1)]],
      )
    }
    return nodes.flatMap(read)
  })
}

test('every use of a text has a value for each of its placeholders', () => {
  const filled = new Set<string>()
  for (const { file, text: source } of SOURCES.filter((one) => !one.file.endsWith('format.ts'))) {
    for (const { 0: call, 1: of, index } of source.matchAll(/\bfill(Both|Count)?\(/g)) {
      const inside = inBrackets(source, index + call.length - 1)
      const [, expression = '', values = ''] =
        inside.match(of === 'Count' ? /^(.*?),[^{]*(.*)$/s : /^(.*?),\s*\{(.*)\}\s*,?\s*$/s) ?? []
      const given = values.split(/,(?![^(`]*[)`])/).map((property) => property.match(/\w+/)?.[0] ?? '')
      if (of === 'Count') given.push('count')
      const texts = textsOf(expression, source)
      assert.ok(texts.length > 0, `${file}: ${expression} is no text`)
      const wanted = new Set(texts.flatMap(placeholders))
      for (const name of wanted) assert.ok(given.includes(name), `${file}: ${expression} needs ${name}`)
      for (const text of texts) filled.add(text)
    }
  }
  const unfilled = textsIn(TEXTS).filter((text) => placeholders(text).length > 0 && !filled.has(text))
  assert.deepEqual(unfilled, [])
})

test('a text with a placeholder is nowhere shown unfilled', () => {
  for (const { file, text: source } of SOURCES) {
    const calls = [...source.matchAll(/\bfill(?:Both|Count)?\(/g)].map(({ 0: call, index }) => {
      const from = index + call.length - 1
      return { from, to: from + inBrackets(source, from).length }
    })
    for (const { 0: expression, index } of source.matchAll(/\b\w+(?:\.\w+)+/g)) {
      if (calls.some(({ from, to }) => from < index && index <= to)) continue
      const [text = ''] = textsOf(expression, source, (node) => (typeof node === 'string' ? [node] : []))
      assert.deepEqual(placeholders(text), [], `${file}: ${expression} is not filled`)
    }
  }
})

test('every text is used', () => {
  const all = [...SOURCES, { text: readFileSync(join(FOLDER, 'console/pages/deliveries/replies.ts'), 'utf8') }]
    .map(({ text }) => text)
    .join('\n')
  const names = Object.entries(TEXTS).flatMap(([group, of]) => [
    group,
    ...(typeof of === 'string' || all.includes(`TEXTS.${group}[`) ? [] : Object.keys(of)),
  ])
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(all)),
    [],
  )
})

test('a placeholder without a value is an error, and a value is never searched for placeholders', () => {
  assert.equal(fill('{a} and {b}', { a: '{b}', b: 'two' }), '{b} and two')
  assert.throws(() => fill('{a}', {}), /needs a/)
})
