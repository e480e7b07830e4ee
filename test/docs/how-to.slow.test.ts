import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { DELIVERY_STATES } from '../../src/sale/types.ts'
import { SETTINGS } from '../../src/service/settings/settings.ts'
import { codeBlocks, codes, DOCUMENTS, quotesMissingInSource, ROOT, readDocument } from './documents.ts'

const GUIDES = DOCUMENTS.filter((path) => path.startsWith('docs/how-to/')).map((path) => ({
  path,
  text: readDocument(path).replaceAll(/^ {3}/gm, ''),
}))
const compose = z
  .object({ services: z.object({ lernito: z.object({ environment: z.record(z.string(), z.unknown()) }) }) })
  .parse(parse(readDocument('deploy/docker/compose.yaml')))
const tutor = readDocument('deploy/tutor/README.md')

test('every command and option that a guide tells to run exists', () => {
  const lines = GUIDES.flatMap(({ text }) => [...codes(text), ...codeBlocks(text, 'sh')])
    .flatMap((code) => code.replaceAll(/\\\n\s*/g, ' ').split('\n'))
    .flatMap((line) => [...line.matchAll(/(?:^|npx | )lernito-openedx ([a-z]+)(.*)$/g)])
    .filter(([line]) => !/docker|kubectl|npm/.test(line))
  assert.ok(lines.length > 12)
  const wrong = lines.flatMap(([line, name = '', rest = '']) => {
    const helps = globSync(join(ROOT, `src/cli/help/{${name},${name}-*,filter}.txt`))
    if (!helps.some((file) => file.endsWith(`/${name}.txt`))) return [line]
    const help = helps.map((file) => readFileSync(file, 'utf8')).join()
    return (rest.match(/--[a-z-]+/g) ?? []).filter((option) => !help.includes(option))
  })
  assert.deepEqual(wrong, [])
})

test('every setting that a guide names is one of the service, of its compose file or of the Tutor plugin', () => {
  const known = new Set([...SETTINGS.map(({ name }) => name), ...Object.keys(compose.services.lernito.environment)])
  const named = GUIDES.flatMap(({ text }) => text.match(/LERNITO_[A-Z_]+[A-Z]/g) ?? [])
  const unknown = [...new Set(named)].filter((name) => !known.has(name) && name !== 'LERNITO_DOMAIN')
  assert.deepEqual(
    unknown.filter((name) => !tutor.includes(`\`${name}\``)),
    [],
  )
})

test('every button, page and title that a guide names exists in the console', () => {
  const texts = JSON.stringify(JSON.parse(readFileSync(join(ROOT, 'src/console/layout/texts.json'), 'utf8')))
  const bold = GUIDES.filter(({ path }) => /console|support/.test(path)).flatMap(({ text }) => [
    ...text.replaceAll(/\n(?!\|) */g, ' ').matchAll(/\*\*([^*]+)\*\*|^\| "([^"]+)"|"(Webhooks with [^"]+)"/gm),
  ])
  const words = bold.map(([, ...found]) => found.find((one) => one !== undefined) ?? '')
  const own = /^(Look at:|Do:|Answer.*:)$/
  // A button after which a question follows ends in an ellipsis.
  const missing = words.filter(
    (word) => !own.test(word) && ![word, `${word}…`].some((one) => texts.includes(`"${one}"`)),
  )
  assert.ok(words.length > 20)
  assert.deepEqual(missing, [])
})

test('the support playbook says what to do in every state of a delivery', () => {
  const playbook = GUIDES.find(({ path }) => path.endsWith('/answer-a-support-ticket.md'))
  const rows = playbook?.text.match(/^\| [a-z -]+(?=[,|])/gm)?.map((row) => row.slice(2).trim()) ?? []
  const missing = DELIVERY_STATES.filter(
    (state) => ![state.replace('_', ' '), state.replace('_', '-')].some((name) => rows.includes(name)),
  )
  assert.deepEqual(missing, [])
})

test('every line of the log that a guide quotes is in the source', () => {
  const quotes = [...GUIDES.map(({ text }) => text), tutor].flatMap((text) => [
    ...text.replaceAll(/\s*\n\s*/g, ' ').matchAll(/\blogs?(?: then)?(?: says| has| line)? `([^`]+)`/g),
    ...text.matchAll(/^> (.+)$/gm),
  ])
  assert.ok(quotes.length >= 7, `${quotes.length}`)
  assert.deepEqual(quotesMissingInSource(quotes.map(([, quote = '']) => quote)), [])
})
