import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { SETTINGS } from '../../src/service/settings/settings.ts'
import { codeBlocks, codes, ROOT, readDocument, section, tables } from './documents.ts'

/** What an adult reads in 60 seconds is some 240 words, besides commands and links; the tables are looked up, not read. */
const WORDS_BEFORE_TABLES = 350

const readme = readDocument('README.md')
const packageFile = z.object({ scripts: z.record(z.string(), z.string()) })

test('the README says what it is and how to try it, and takes a minute to read', () => {
  const [beginning = ''] = readme.split('\n## Where to go next\n')
  assert.notEqual(beginning, readme)
  assert.ok(beginning.split(/\s+/).length <= WORDS_BEFORE_TABLES, `${beginning.split(/\s+/).length} words`)
})

test('the README has one picture, which exists', () => {
  const pictures = [...readme.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, path = '']) => path)
  assert.equal(pictures.length, 1)
  assert.deepEqual(
    pictures.filter((path) => !existsSync(join(ROOT, path))),
    [],
  )
})

test('the README starts with two commands that exist in a clone', () => {
  const [block = ''] = codeBlocks(section(readme, '## Try it'), 'sh')
  assert.deepEqual(block.split('\n'), ['npm ci', 'npm start'])
  const { scripts } = packageFile.parse(JSON.parse(readDocument('package.json')))
  assert.ok(scripts.start !== undefined && scripts.serve !== undefined)
})

test('the README’s five settings exist, and every required one is among them', () => {
  const [rows = []] = tables(section(readme, '## What an installation needs'))
  const named = rows.flatMap(([setting = '']) => codes(setting))
  assert.equal(named.length, 5)
  const declared = SETTINGS.map(({ name }) => name)
  assert.deepEqual(
    named.filter((name) => !declared.some((one) => one === name)),
    [],
  )
  const required = SETTINGS.filter((one) => one.required).map(({ name }) => name)
  assert.deepEqual(
    required.filter((name) => !named.includes(name)),
    [],
  )
})
