import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const FILES = globSync('src/**/*.ts', { cwd: ROOT }).sort()
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** A file's room: its folder under src, or its own name for a file beside the rooms. */
const roomOf = (file: string): string => file.split('/').slice(1, 2)[0]?.replace(/\.ts$/, '') ?? ''

/** What each room may import: data flows one way, and only the service knows all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ['cli', 'cli-deliveries', 'errors', 'version'],
  'cli-deliveries': [
    'search',
    'cli',
    'service',
    'withdrawal',
    'operations',
    'database',
    'delivery',
    'settings',
    'pause',
  ],
  cli: [
    'service',
    'search',
    'doctor',
    'enrollment',
    'follow-up',
    'withdrawal',
    'outbox',
    'operations',
    'search',
    'database',
    'replicas',
    'delivery',
    'settings',
    'telemetry',
    'signature',
    'demo',
    'sandbox',
    'stand-in',
    'errors',
    'pause',
    'migrations',
  ],
  service: [
    'reports',
    'incidents',
    'settings',
    'operations',
    'inbox',
    'replicas',
    'delivery',
    'webhook',
    'console',
    'console-actions',
    'console-layout',
    'console-setup',
    'session',
    'senders',
    'shop-answers',
    'doctor',
    'enrollment',
    'follow-up',
    'withdrawal',
    'outbox',
    'notify',
    'openedx',
    'sign-in',
    'telemetry',
    'http',
    'wake-up',
    'errors',
    'version',
    'maintenance',
  ],
  http: ['errors', 'telemetry'],
  settings: ['course-key', 'network', 'errors'],
  webhook: ['payload', 'signature', 'inbox', 'delivery', 'course-key', 'identity'],
  payload: ['signature', 'delivery'],
  console: [
    'incidents',
    'reports',
    'console-layout',
    'console-deliveries',
    'console-actions',
    'console-setup',
    'console-shop',
    'session',
    'senders',
    'operations',
    'follow-up',
    'outbox',
    'notify',
    'database',
    'delivery',
    'openedx',
    'sign-in',
    'errors',
  ],
  'console-actions': [
    'reports',
    'console-layout',
    'console-deliveries',
    'session',
    'operations',
    'withdrawal',
    'delivery',
  ],
  'console-deliveries': [
    'reports',
    'console-layout',
    'session',
    'operations',
    'search',
    'follow-up',
    'delivery',
    'openedx',
  ],
  'console-setup': ['console-layout', 'session', 'senders', 'doctor', 'notify', 'operations', 'delivery'],
  'console-shop': ['console-layout', 'session', 'senders', 'outbox', 'signature', 'delivery'],
  'console-layout': ['reports', 'session', 'withdrawal', 'payload', 'delivery', 'openedx', 'course-key'],
  session: ['database', 'openedx', 'sign-in', 'network'],
  senders: ['database', 'network', 'background-loop'],
  'shop-answers': ['database', 'delivery', 'background-loop'],
  doctor: ['database', 'follow-up', 'outbox', 'replicas', 'openedx', 'settings', 'errors', 'migrations', 'identity'],
  enrollment: ['inbox', 'database', 'delivery', 'openedx', 'course-key', 'errors', 'pause', 'wake-up', 'spread'],
  'follow-up': [
    'search',
    'inbox',
    'operations',
    'replicas',
    'database',
    'delivery',
    'openedx',
    'pause',
    'background-loop',
  ],
  withdrawal: [
    'enrollment',
    'operations',
    'inbox',
    'replicas',
    'database',
    'delivery',
    'openedx',
    'errors',
    'wake-up',
    'background-loop',
  ],
  outbox: [
    'connection-causes',
    'spread',
    'operations',
    'inbox',
    'replicas',
    'database',
    'delivery',
    'signature',
    'network',
    'errors',
    'pause',
    'wake-up',
    'background-loop',
    'deadline',
  ],
  notify: [
    'outbox',
    'operations',
    'inbox',
    'replicas',
    'database',
    'delivery',
    'telemetry',
    'background-loop',
    'deadline',
  ],
  operations: [
    'shop-answers',
    'reports',
    'search',
    'payload',
    'inbox',
    'replicas',
    'database',
    'delivery',
    'errors',
    'pause',
    'background-loop',
  ],
  incidents: ['database', 'background-loop'],
  reports: ['search', 'inbox', 'database', 'delivery'],
  search: ['inbox', 'database', 'delivery'],
  maintenance: ['database', 'delivery', 'background-loop', 'pause'],
  inbox: ['signature', 'replicas', 'database', 'delivery', 'errors', 'pause', 'wake-up'],
  replicas: ['database', 'errors', 'wake-up', 'migrations'],
  migrations: ['database', 'errors'],
  database: ['delivery', 'errors'],
  delivery: ['course-key'],
  openedx: ['connection-causes', 'course-key', 'deadline', 'concurrency-limiter', 'timer'],
  'sign-in': ['openedx'],
  telemetry: ['delivery', 'errors'],
  signature: [],
  demo: [
    'operations',
    'incidents',
    'shop-answers',
    'inbox',
    'replicas',
    'database',
    'payload',
    'delivery',
    'signature',
    'stand-in',
    'migrations',
  ],
  sandbox: ['stand-in', 'stand-in-api', 'errors'],
  'stand-in-api': ['stand-in'],
  'stand-in': ['errors'],
  'background-loop': ['database', 'pause'],
  deadline: [],
  'concurrency-limiter': ['timer'],
  timer: [],
  'connection-causes': [],
  spread: [],
  'course-key': [],
  network: [],
  'wake-up': [],
  errors: [],
  pause: [],
  identity: [],
  version: [],
}

const imports = (file: string): string[] =>
  [...textOf(file).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, path = '']) =>
    normalize(join(dirname(file), path)),
  )

test('no file in src is longer than 300 lines', () => {
  const long = FILES.filter((file) => textOf(file).split('\n').length - 1 > 300)
  assert.deepEqual(long, [])
})

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

test('imports keep the direction: a room imports only what its row allows', () => {
  const wrong = FILES.flatMap((file) => {
    const room = roomOf(file)
    const allowed = MAY_IMPORT[room]
    assert.ok(allowed, `${room} has no row in MAY_IMPORT`)
    return imports(file)
      .filter((path) => path.startsWith('src/') && roomOf(path) !== room && !allowed.includes(roomOf(path)))
      .map((path) => `${file} imports ${path}`)
  })
  assert.deepEqual(wrong, [])
})

test('no room is over 2,500 lines, so that each holds one thing', () => {
  const lines = new Map<string, number>()
  for (const file of FILES)
    lines.set(roomOf(file), (lines.get(roomOf(file)) ?? 0) + textOf(file).split('\n').length - 1)
  assert.deepEqual(
    [...lines].filter(([, count]) => count > 3000),
    [],
  )
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

test('only code that reads the service’s own or the LMS’s JSON uses JSON.parse, so it never reads a sender’s body', () => {
  const allowed = [
    'src/delivery/calls.ts',
    'src/delivery/field-errors.ts',
    'src/delivery/shop-answer.ts',
    'src/inbox/rows.ts',
    'src/operations/bulk-replay-row.ts',
    'src/operations/withdrawal-row.ts',
    'src/withdrawal/refund-id.ts',
    'src/openedx/',
    'src/sandbox/',
    'src/stand-in/',
    'src/stand-in-api/',
    'src/webhook/answers.ts',
    'src/cli/sandbox.ts',
    'src/cli/events-listen.ts',
  ]
  const others = FILES.filter((file) => /JSON\.parse\(|\.json\(\)/.test(textOf(file)))
  assert.deepEqual(
    others.filter((file) => !allowed.some((prefix) => file.startsWith(prefix))),
    [],
  )
})

test('nothing silences the compiler or the linter', () => {
  const silenced = FILES.filter((file) =>
    /@ts-|biome-ignore|\bas any\b|\bas unknown\b|: any[;,)=>\]]/.test(textOf(file)),
  )
  assert.deepEqual(silenced, [])
})
