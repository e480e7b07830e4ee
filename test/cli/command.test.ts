import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, findNamed } from '../../src/cli/command.ts'
import { columns, plainJson } from '../../src/cli/plain.ts'
import { AppError } from '../../src/service/lib/errors.ts'

const one = command({
  name: 'list',
  parent: 'deliveries',
  summary: '',
  options: { limit: { type: 'string' }, email: { type: 'string' }, json: { type: 'boolean' } },
  run: async () => 0,
})
const HELP = ' See: lernito-openedx deliveries list --help'

test('wrong arguments get a message that names them, and the option that was meant', async () => {
  for (const [args, said] of [
    [['--emial', 'x'], 'There is no option --emial. Did you mean --email?'],
    [['--lim', '5'], 'There is no option --lim. Did you mean --limit?'],
    [['--color'], 'There is no option --color.'],
    [['-x'], 'There is no option -x.'],
    [['now'], '"now" is one argument too many.'],
    [['--limit'], '--limit needs a value.'],
    [['--limit', '-5'], '--limit needs a value. If -5 is one, write --limit=-5.'],
    [['--json=yes'], '--json takes no value.'],
  ] as const) {
    await assert.rejects(one.run(args), (error) => {
      assert.ok(error instanceof AppError && error.code === 'usage.invalid')
      assert.equal(error.message, `${said}${HELP}`)
      return true
    })
  }
})

test('a misspelled command gets the one that was meant, and a text that is like none gets none', () => {
  const among = ['serve', 'sandbox', 'send', 'deliveries'].map((name) => ({ name, summary: '' }))
  const found = (name: string) => () => findNamed({ name, among, path: '' })
  assert.throws(found('delivreies'), { message: /^There is no command "delivreies"\. Did you mean deliveries\? See: / })
  assert.throws(found('srve'), { message: /Did you mean serve\?/ })
  assert.throws(found('x'), { message: 'There is no command "x". See: lernito-openedx --help' })
  assert.throws(found('\u001b[2J'), { message: /^There is no command "\\u001b\[2J"/ })
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
