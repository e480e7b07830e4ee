import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { commandsPage } from '../../scripts/command-docs.ts'
import { inboxOf } from '../cli/inboxes.ts'
import { accepted, arrival } from '../queue/harness.ts'
import { readDocument } from './documents.ts'

const page = readDocument('docs/reference/commands.md')

test('the page of commands is what the commands print with --help', () => {
  assert.equal(page, commandsPage(), 'docs/reference/commands.md is out of date: run npm run docs')
})

test('the page of commands has no list of settings', () => {
  assert.doesNotMatch(page, /LERNITO_PORT/)
})

test('deliveries show prints all that deliveries list prints, and what the page of commands says that only show has', async (t) => {
  const { store, command } = await inboxOf(t)
  const [id = ''] = await store([accepted(arrival())])
  const delivery = z.looseObject({ lines: z.tuple([z.looseObject({})], z.looseObject({})) })
  const read = async (...args: string[]) => delivery.parse(JSON.parse((await command('deliveries', ...args)).stdout))
  const listed = await read('list', '--json')
  const shown = await read('show', id, '--json')
  const further = Object.keys(shown).filter((name) => !(name in listed))
  assert.deepEqual({ ...shown, ...listed }, shown)
  const [, section = ''] = page.split('## JSON of a delivery')
  const rows = [...section.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|$/gm)].flatMap(([, cell = '', meaning = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => ({ name, meaning })),
  )
  const named = rows.map(({ name }) => name)
  const onlyInShow = rows.flatMap(({ name, meaning }) => (meaning.startsWith('only in `show`') ? [name] : []))
  assert.deepEqual(named.toSorted(), [...Object.keys(shown), ...Object.keys(shown.lines[0])].toSorted())
  assert.deepEqual(onlyInShow.toSorted(), further.toSorted())
})
