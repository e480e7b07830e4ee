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

test('the page of commands names each field of a delivery as JSON, and no other', async (t) => {
  const { store, command } = await inboxOf(t)
  const [id = ''] = await store([accepted(arrival())])
  const delivery = z.looseObject({ lines: z.tuple([z.looseObject({})], z.looseObject({})) })
  const printed = await Promise.all([
    command('deliveries', 'show', id, '--json'),
    command('deliveries', 'list', '--json'),
  ])
  const fields = printed.flatMap(({ stdout }) => {
    const read = delivery.parse(JSON.parse(stdout))
    return [...Object.keys(read), ...Object.keys(read.lines[0])]
  })
  const [, section = ''] = page.split('## JSON of a delivery')
  const named = [...section.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  )
  assert.deepEqual(named.toSorted(), [...new Set(fields)].toSorted())
})
