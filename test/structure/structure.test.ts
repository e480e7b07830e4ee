import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const FILES = globSync('{src,sandbox}/**/*.ts', { cwd: ROOT }).sort()
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** The folder of a file. `settings` and `lib` count apart from the rest of `service`: anything may import them. */
function folderOf(file: string): string {
  const [root = '', folder = '', inner = ''] = file.split('/')
  if (root !== 'src') return root
  return folder === 'service' && (inner === 'lib' || inner === 'settings') ? inner : folder
}

const SHARED = ['lib', 'settings', 'sale']
const BELOW = [...SHARED, 'database', 'lms', 'queue']
const ABOVE = [...BELOW, 'shop', 'enroll', 'operators']

/** The five rules of CONTRIBUTING: what each folder may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  sale: [],
  settings: ['lib', 'sale'],
  database: SHARED,
  lms: SHARED,
  queue: [...SHARED, 'database'],
  shop: BELOW,
  enroll: BELOW,
  operators: BELOW,
  console: ABOVE,
  doctor: ABOVE,
  service: [...ABOVE, 'console', 'doctor'],
  cli: [...ABOVE, 'console', 'doctor', 'service', 'sandbox'],
  sandbox: [],
}

const imports = (file: string): string[] =>
  [...textOf(file).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, path = '']) =>
    normalize(join(dirname(file), path)),
  )

/** Each function or constant with a block at the top level of a file, with its length in lines. */
function blocksOf(file: string): { name: string; lines: number }[] {
  const lines = textOf(file).split('\n')
  return lines.flatMap((line, start) => {
    const name = /^(?:export )?(?:async )?function\*? (\w+)|^(?:export )?const (\w+) = .*=> [{(]$/.exec(line)
    if (name === null) return []
    const end = lines.findIndex((other, at) => at > start && /^[})]/.test(other) && !/\{$/.test(other))
    return [{ name: `${file} ${name[1] ?? name[2]}`, lines: end - start + 1 }]
  })
}

test('no function is longer than 60 lines', () => {
  const blocks = FILES.flatMap(blocksOf)
  assert.ok(blocks.length > 800, `${blocks.length}`)
  assert.deepEqual(
    blocks.filter(({ lines }) => lines > 60),
    [],
  )
})

test('imports go one way: a folder imports only what the five rules allow', () => {
  const wrong = FILES.flatMap((file) => {
    const folder = folderOf(file)
    const allowed = MAY_IMPORT[folder]
    assert.ok(allowed, `${folder} has no row in MAY_IMPORT`)
    return imports(file)
      .filter((path) => /^(src|sandbox)\//.test(path) && folderOf(path) !== folder && !allowed.includes(folderOf(path)))
      .map((path) => `${file} imports ${path}`)
  })
  assert.deepEqual(wrong, [])
})

test('a file that the code names is there', () => {
  const wrong = FILES.flatMap((file) =>
    [...textOf(file).matchAll(/(?<![\w./-])(?:src|sandbox|test|docs|scripts|deploy)\/[\w./-]+\.(?:ts|md|js|json)\b/g)]
      .map(([path]) => path)
      .filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${file} names ${path}`),
  )
  assert.deepEqual(wrong, [])
})

test('no files import each other in a circle', () => {
  const finished = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `a circle: ${[...path, file].join(' -> ')}`)
    if (finished.has(file) || !FILES.includes(file)) return
    for (const next of imports(file)) visit(next, [...path, file])
    finished.add(file)
  }
  for (const file of FILES) visit(file, [])
})

/** The files and packages that Node.js loads with a file: all but types and what is imported on demand. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  loaded.add(file)
  for (const [, type, from = ''] of textOf(file).matchAll(/^(?:import|export) (type )?[^'=]*?from '([^']+)'/gm)) {
    if (type !== undefined) continue
    const next = from.startsWith('.') ? normalize(join(dirname(file), from)) : from
    if (!FILES.includes(next)) loaded.add(next)
    else if (!loaded.has(next)) loadedWith(next, loaded)
  }
  return loaded
}

test('a start does not load the driver for MySQL, nor the HTTP client for a command that calls nobody', () => {
  const of = (command: string) => [...loadedWith(`src/cli/${command}.ts`)]
  assert.ok(of('serve').includes('undici') && of('serve').includes('kysely'))
  for (const command of ['serve', 'deliveries', 'events']) assert.ok(!of(command).includes('mysql2'), command)
  for (const command of ['deliveries', 'events']) assert.ok(!of(command).includes('undici'), command)
})

test('only code that reads the service’s own or the LMS’s JSON uses JSON.parse, so it never reads a sender’s body', () => {
  const allowed = [
    'src/sale/types.ts',
    'src/sale/words.ts',
    'src/queue/shop-answers.ts',
    'src/queue/rows.ts',
    'src/operators/changes/bulk-replay.ts',
    'src/queue/withdrawals/store-refund.ts',
    'src/lms/',
    'sandbox/',
    'src/shop/webhook/route.ts',
    'src/shop/courses/catalogue.ts',
    'src/cli/sandbox.ts',
    'src/cli/events.ts',
    'src/console/pages/deliveries/outdated-page.ts', // what sent-form.ts encrypted
  ]
  const others = FILES.filter((file) => /JSON\.parse\(|\.json\(\)/.test(textOf(file)))
  assert.deepEqual(
    others.filter((file) => !allowed.some((prefix) => file.startsWith(prefix))),
    [],
  )
})

test('only the queue changes deliveries', () => {
  const others = FILES.filter((file) =>
    /(?:updateTable|insertInto|deleteFrom|into:)\(?\s*'deliveries'|(?:update|insert into|delete from) deliveries/.test(
      textOf(file),
    ),
  )
  assert.deepEqual(
    others.filter((file) => !file.startsWith('src/queue/')),
    [],
  )
  assert.ok(others.length > 5)
})

test('nothing silences the compiler or the linter', () => {
  const silenced = FILES.filter((file) =>
    /@ts-|biome-ignore|\bas any\b|\bas unknown\b|: any[;,)=>\]]/.test(textOf(file)),
  )
  assert.deepEqual(silenced, [])
})
