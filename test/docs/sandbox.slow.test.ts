import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { readWorld } from '../../sandbox/lms/world.ts'
import { type RunningStandIn, startStandIn } from '../../sandbox/stand-in.ts'
import { control, exchange } from '../harness.ts'
import { getToken } from '../sandbox/recording.ts'
import { codeBlocks, codes, ROOT, readDocument, section, tables } from './documents.ts'

const guide = readDocument('docs/reference/sandbox.md')
const readme = readDocument('sandbox/README.md')
const api = section(readme, '## The control API')
const examples = codeBlocks(api, 'sh').flatMap((block) => block.split('\n'))

/** The few forms of a curl call that the guide uses; `-d` alone makes a POST. */
const CURL =
  /^curl (?:-X (?<method>[A-Z]+) )?http:\/\/127\.0\.0\.1:8791(?<path>\/sandbox\/[a-z]+)(?: -d '(?<body>[^']+)')?$/

let standIn: RunningStandIn
before(async () => {
  standIn = await startStandIn()
})
after(() => standIn.close())

test('the curl examples of the control API work in their order', async () => {
  const called = new Set<string>()
  for (const example of examples) {
    const { path = '', body = '', method = body === '' ? 'GET' : 'POST' } = CURL.exec(example)?.groups ?? {}
    assert.notEqual(path, '', `not understood: ${example}`)
    const { status, text } = await exchange({ url: standIn.url + path, method, body })
    assert.equal(status, 200, `${example}: ${text}`)
    called.add(`${method} ${path}`)
    if (path === '/sandbox/activate') {
      const { enrollments } = await control(standIn.url).state()
      const carol = { email: 'carol@example.com', course: 'course-v1:Lernito+PY101+2026', mode: 'audit', active: true }
      assert.deepEqual(
        enrollments.filter(({ email }) => email === carol.email),
        [carol],
      )
    }
  }
  assert.deepEqual([...called].sort(), controlRoutes())
})

/** What sandbox/control.ts registers. */
function controlRoutes(): string[] {
  const source = readFileSync(join(ROOT, 'sandbox/control.ts'), 'utf8')
  const routes = [...source.matchAll(/app\.(get|post|delete)\(\s*'([^']+)'/g)]
  return routes.map(([, method = '', path]) => `${method.toUpperCase()} ${path}`).sort()
}

test('the control API shows the real state and calls', async () => {
  const { state, reset, calls } = control(standIn.url)
  await reset()
  const [shownState = '', shownCalls = ''] = codeBlocks(api, 'json')
  assert.deepEqual(JSON.parse(shownState), await state())
  await getToken({ url: standIn.url, client: 'lernito' })
  assert.deepEqual(JSON.parse(shownCalls), { calls: await calls() })
})

test('the guide names all people and courses of the world, and the example of a world is valid', () => {
  const world = section(guide, '## People and courses')
  const [people = [], courses = []] = tables(world)
  const named = (rows: readonly string[][]): string[] => rows.flatMap(([cell = '']) => codes(cell)).sort()
  assert.deepEqual(
    named(people),
    [...defaultWorld.people.map(({ email }) => email), ...defaultWorld.retired_emails].sort(),
  )
  assert.deepEqual(named(courses), defaultWorld.courses.map(({ id }) => id).sort())
  assert.ok(world.includes(`the password \`${defaultWorld.password_of_people}\``))
  const [example = ''] = codeBlocks(section(readme, '## A world of your own'), 'json')
  assert.equal(readWorld(JSON.parse(example)).people.length, 1)
})

test('the table of faults has the fields of a fault', () => {
  const [rows = []] = tables(section(readme, '### Faults'))
  const fields = rows.flatMap(([cell = '']) => codes(cell))
  const source = readFileSync(join(ROOT, 'sandbox/lms/faults.ts'), 'utf8')
  const declared = [...source.matchAll(/^ {4}(\w+): z/gm)].map(([, field]) => field)
  assert.deepEqual(fields.sort(), declared.sort())
})

/** The address of a route as its file declares it, and the pattern that a route with parameters has besides. */
const ROUTE = /(?:url: |app\.\w+(?:<[^(]*>)?\(\s*)'(\/[^']*)',(?:\s*(?:\{ config: \{ )?pattern: '([^']+)')?/g

/** The routes in these files, as /sandbox/calls shows them; without those of the control API. */
function routes(files: string): string[] {
  const sources = globSync(files, { cwd: ROOT }).map((file) => readFileSync(join(ROOT, file), 'utf8'))
  const paths = sources.flatMap((source) => [...source.matchAll(ROUTE)].map(([, url = '', pattern = url]) => pattern))
  return [...new Set(paths.filter((path) => !path.startsWith('/sandbox/')))]
}

test('every route of the LMS that the stand-in has is named, and every page', () => {
  const paths = (text: string): string[] =>
    codes(text)
      .map((code) => code.replace(/^[A-Z]+ /, ''))
      .sort()
  const [calls = []] = tables(section(readme, '## What it conforms to'))
  const named = calls.flatMap(([cell = '']) => paths(cell)).filter((path) => path.startsWith('/'))
  assert.deepEqual(named.sort(), routes('sandbox/{*,api/*}.ts').sort())
  const [pages = []] = tables(section(readme, '## Pages'))
  assert.deepEqual(pages.flatMap(([cell = '']) => paths(cell)).sort(), routes('sandbox/pages/*.ts').sort())
})
