import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { command, commandGroup, namingOption } from '../../src/cli/command.ts'
import { columns, plainJson } from '../../src/cli/plain.ts'
import { AppError } from '../../src/service/lib/errors.ts'

const list = command({
  name: 'deliveries list',
  options: { limit: { type: 'string' }, email: { type: 'string' }, json: { type: 'boolean' } },
  run: async () => 0,
})
const HELP = ' See: lernito-openedx deliveries list --help'

test('wrong arguments get a message that names them and the command’s help', async () => {
  for (const [args, said] of [
    [['--emial', 'x'], "Unknown option '--emial'."],
    [['now'], "Unexpected argument 'now'. This command does not take positional arguments."],
    [['--limit'], "Option '--limit <value>' argument missing."],
    [['--limit', '-5'], /^Option '--limit' argument is ambiguous\. .* use '--limit=-XYZ'\. See: /],
    [['--json=yes'], "Option '--json' does not take an argument."],
    [['\u001b[2J'], /^Unexpected argument '\\u001b\[2J'/],
  ] as const) {
    await assert.rejects(list(args), (error) => {
      assert.ok(error instanceof AppError && error.code === 'usage.invalid')
      if (typeof said === 'string') assert.equal(error.message, `${said}${HELP}`)
      else assert.match(error.message, said)
      return true
    })
  }
})

test('an unknown option is named with the help alone, also where a command takes arguments', async () => {
  const show = command({ name: 'deliveries show', options: {}, positionals: true, run: async () => 0 })
  await assert.rejects(show(['--jsno']), {
    code: 'usage.invalid',
    message: "Unknown option '--jsno'. See: lernito-openedx deliveries show --help",
  })
})

test('an unknown command gets a message that names it and the help', async () => {
  const program = commandGroup({
    name: '',
    subcommands: { deliveries: () => commandGroup({ name: 'deliveries', subcommands: { list: () => list } }) },
  })
  for (const [args, said] of [
    [['delivreies'], 'There is no command "delivreies". See: lernito-openedx --help'],
    [['\u001b[2J'], 'There is no command "\\u001b[2J". See: lernito-openedx --help'],
    [['constructor'], 'There is no command "constructor". See: lernito-openedx --help'],
    [['deliveries', 'lsit'], 'deliveries has no subcommand "lsit". See: lernito-openedx deliveries --help'],
  ] as const) {
    await assert.rejects(program(args), { code: 'usage.invalid', message: said })
  }
})

test('a table that is too wide for the terminal is cut at its widest cells', () => {
  const rows = [
    ['ID', 'E-MAIL', 'OUTCOME'],
    ['01KG9', 'ada@x.example', 'the LMS has no course course-v1:edX+DemoX+Demo_Course'],
  ]
  assert.equal(columns(rows).split('\n')[1], rows[1]?.join('  '))
  const cut = columns(rows, { width: 40, whole: 1 }).split('\n')
  assert.deepEqual(cut, ['ID     E-MAIL         OUTCOME', '01KG9  ada@x.example  the LMS has no co…', ''])
  assert.ok(cut.every((line) => line.length <= 40))
  assert.match(columns(rows, { width: 20, whole: 2 }), /^01KG9 {2}ada@x\.example {2}the LMS h…$/m)
})

test('the times in a result are ISO 8601, and other numbers and texts stay', () => {
  const at = Date.UTC(2026, 0, 31, 18)
  const result = { receivedAt: at, since: at, attempts: 3, ms: 12, to: 'received', timeline: [{ at }], dueAt: null }
  const iso = '2026-01-31T18:00:00.000Z'
  assert.deepEqual(JSON.parse(plainJson(result)), {
    ...result,
    receivedAt: iso,
    since: iso,
    timeline: [{ at: iso }],
  })
})

test('a port that can’t be used blames a program only if one listens there', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (const { host, remedy } of [
    { host: '127.0.0.1', remedy: 'Stop the program that listens there, or choose another port with --port.' },
    { host: '192.0.2.1', remedy: 'Choose another port with --port.' },
  ]) {
    const listening = once(createServer().listen(port, host), 'listening')
    await assert.rejects(namingOption('--port', listening), ({ message }: Error) => {
      assert.match(message, /^The port can't be used \(listen E\w+.*\)\. /)
      assert.ok(message.endsWith(`). ${remedy}`), message)
      return true
    })
  }
})
